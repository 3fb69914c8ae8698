package config

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// A row is what docs/operating.md says of one key.
type row struct {
	value  string // its default, without what is said about it
	reload bool
}

// documented is the rows of the table of docs/operating.md, by dotted name.
func documented(t *testing.T) map[string]row {
	t.Helper()
	text, err := os.ReadFile("../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile("`([^`]*)`")
	rows := make(map[string]row)
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if len(cells) < 4 || !strings.HasPrefix(cells[0], "| `") {
			continue
		}
		names, prefix := code.FindAllStringSubmatch(cells[0], -1), ""
		if table := names[0][1]; strings.HasPrefix(table, "[") {
			prefix, names = strings.Trim(table, "[]")+".", names[1:]
		}
		value := ""
		if found := code.FindStringSubmatch(cells[1]); found != nil {
			value = found[1]
		}
		for _, name := range names {
			rows[prefix+name[1]] = row{value, strings.HasSuffix(cells[len(cells)-1], "R |")}
		}
	}
	return rows
}

func TestDocs_nameEveryKey(t *testing.T) {
	rows := documented(t)
	tables := map[string]bool{"listen": true, "tls": true, "login": true, "keys": true, "pool": true, "limits": true, "expire": true, "admin": true, "mirror": true, "group": true, "distribution": true, "peer": true, "gateway": true, "peer.feed": true, "peer.read": true}
	known := make(map[string]bool)
	for _, key := range knownKeys(reflect.TypeFor[Config](), "") {
		known[key] = true
		if _, ok := rows[key]; !ok && !tables[key] {
			t.Errorf("docs/operating.md does not have %s", key)
		}
	}
	for key := range rows {
		if strings.Contains(key, ".") && tables[key[:strings.LastIndex(key, ".")]] && !known[key] {
			t.Errorf("docs/operating.md has %s, which there is not", key)
		}
	}
}

func TestDocs_sayTheDefaultsAndWhatAReloadTakes(t *testing.T) {
	rows := documented(t)
	compared := 0
	var walk func(v reflect.Value, prefix string, reload bool)
	walk = func(v reflect.Value, prefix string, reload bool) {
		for field := range v.Type().Fields() {
			key := prefix + field.Tag.Get("toml")
			takes := reload || field.Tag.Get("reload") == "yes"
			value := v.FieldByIndex(field.Index)
			if field.Type.Kind() == reflect.Struct {
				walk(value, key+".", takes)
				continue
			}
			said, ok := rows[key]
			if !ok { // lists of tables, and what the other test reports
				continue
			}
			if said.reload != takes {
				t.Errorf("%s: docs/operating.md says of a reload %v", key, said.reload)
			}
			want := asTOML(value)
			if key == "domain" {
				want = ""
			}
			if strings.ReplaceAll(said.value, " ", "") != strings.ReplaceAll(want, " ", "") {
				t.Errorf("%s: docs/operating.md says %s, and it is %s", key, said.value, want)
			}
			compared++
		}
	}
	walk(reflect.ValueOf(Default("")), "", false)
	if compared < 50 {
		t.Errorf("only %d keys were found", compared)
	}
}

// asTOML is a value as the file has it.
func asTOML(v reflect.Value) string {
	switch value := v.Interface().(type) {
	case Duration:
		return fmt.Sprintf("%q", value.String())
	case string:
		return fmt.Sprintf("%q", value)
	case []string:
		quoted := make([]string, len(value))
		for i, s := range value {
			quoted[i] = fmt.Sprintf("%q", s)
		}
		return "[" + strings.Join(quoted, ",") + "]"
	}
	return fmt.Sprint(v.Interface())
}
