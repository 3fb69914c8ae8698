package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func newDesk(t *testing.T, holds bool) http.Handler {
	t.Helper()
	d, err := New(Options{
		Version: "v1",
		Conditions: []Condition{
			{"disk_full", "Make <room>.", func(context.Context, time.Time) bool { return holds }},
			{"fine", "Never said.", func(context.Context, time.Time) bool { return false }},
		},
		Figures: []Figure{
			{Name: "groups", Help: "Newsgroups", Read: func(context.Context, string) float64 { return 7 }},
			{
				Name: "rejected_total", Help: "Not taken", Counter: true, Label: "reason", Values: []string{"a", "b"},
				Read: func(_ context.Context, v string) float64 { return float64(v[0]) },
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	h, err := d.Handler()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func get(h http.Handler, host, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = host
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestHealth_saysWhatNeedsTheOperator(t *testing.T) {
	for holds, code := range map[bool]int{false: http.StatusOK, true: http.StatusServiceUnavailable} {
		w := get(newDesk(t, holds), "127.0.0.1:1190", "/health")
		var h Health
		if err := json.Unmarshal(w.Body.Bytes(), &h); err != nil || w.Code != code || h.OK == holds {
			t.Errorf("holds %v: status %d, %v: %s", holds, w.Code, err, w.Body)
		}
		if holds && (len(h.Trouble) != 1 || h.Trouble[0] != (Trouble{"disk_full", "Make <room>."})) {
			t.Errorf("trouble is %v", h.Trouble)
		}
	}
}

func TestMetrics_haveEveryValueOfALabel(t *testing.T) {
	text := get(newDesk(t, true), "[::1]:1190", "/metrics").Body.String()
	for _, line := range []string{
		"restante_trouble{condition=\"disk_full\"} 1", "restante_trouble{condition=\"fine\"} 0", "restante_groups 7",
		"# TYPE restante_rejected_total counter", "restante_rejected_total{reason=\"a\"} 97", "restante_rejected_total{reason=\"b\"} 98",
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %s in\n%s", line, text)
		}
	}
}

func TestPage_needsNothingFromElsewhere(t *testing.T) {
	w := get(newDesk(t, true), "localhost:1190", "/")
	page := w.Body.String()
	for _, want := range []string{"Something needs you", "Make &lt;room&gt;.", "Newsgroups", "Not taken (a)"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, never := range []string{"<script", "http://", "https://", "src="} {
		if strings.Contains(page, never) {
			t.Errorf("the page has %q", never)
		}
	}
	if !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("headers %v", w.Header())
	}
}

func TestHandler_refusesOthers(t *testing.T) {
	h := newDesk(t, false)
	for _, host := range []string{"evil.example:1190", "gw.example", "localhost.evil.example"} {
		if w := get(h, host, "/metrics"); w.Code != http.StatusForbidden || strings.Contains(w.Body.String(), "restante_") {
			t.Errorf("asked as %s: %d", host, w.Code)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/health", nil)
	r.Host = "127.0.0.1"
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
	if w := get(h, "127.0.0.1", "/debug/pprof/"); w.Code != http.StatusNotFound {
		t.Errorf("another path: %d", w.Code)
	}
}
