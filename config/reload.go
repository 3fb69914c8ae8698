package config

import "reflect"

// NeedRestart returns the dotted names of the keys in which two configurations
// differ and which a reload does not take, in the order of the file.
func NeedRestart(old, now Config) []string {
	return needRestart(reflect.ValueOf(old), reflect.ValueOf(now), "")
}

func needRestart(old, now reflect.Value, prefix string) []string {
	var keys []string
	for field := range old.Type().Fields() {
		if field.Tag.Get("reload") == "yes" {
			continue
		}
		key := prefix + field.Tag.Get("toml")
		a, b := old.FieldByIndex(field.Index), now.FieldByIndex(field.Index)
		if field.Type.Kind() == reflect.Struct {
			keys = append(keys, needRestart(a, b, key+".")...)
		} else if !reflect.DeepEqual(a.Interface(), b.Interface()) {
			keys = append(keys, key)
		}
	}
	return keys
}
