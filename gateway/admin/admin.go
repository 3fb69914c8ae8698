package admin

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A Condition is something that needs the operator.
type Condition struct {
	Name     string // one of the fixed words that metrics are labelled with
	Sentence string // what is wrong, and what to do
	Holds    func(ctx context.Context, now time.Time) bool
}

// A Figure is one of the numbers shown.
type Figure struct {
	Name    string // after "restante_", as Prometheus has it: "_total" for a counter
	Help    string // what it counts, and its unit
	Counter bool   // it only grows while the gateway runs

	// Label, if there is one, has these values and no others.
	Label  string
	Values []string

	// Read returns the figure, for one of Values where there is a label.
	Read func(ctx context.Context, value string) float64
}

// Options are what a [Desk] is made of.
type Options struct {
	Version    string
	Conditions []Condition
	Figures    []Figure
}

// A Desk shows an operator how the gateway is doing. Its methods may be called
// from many goroutines.
type Desk struct {
	options  Options
	started  time.Time
	registry *prometheus.Registry
}

// New returns a Desk.
func New(o Options) (*Desk, error) {
	d := &Desk{options: o, started: time.Now(), registry: prometheus.NewRegistry()}
	return d, d.registry.Register(&collector{desk: d})
}

// Health is how a gateway is doing.
type Health struct {
	OK      bool      `json:"ok"` // nothing needs the operator
	Version string    `json:"version"`
	Started time.Time `json:"started"` // in UTC, to the second
	Trouble []Trouble `json:"trouble"`
	Figures []Reading `json:"figures"`
}

// Trouble is a condition that holds.
type Trouble struct {
	Name string `json:"name"`
	Says string `json:"says"`
}

// A Reading is what a figure is just now.
type Reading struct {
	Name  string  `json:"name"`
	Label string  `json:"label,omitempty"` // the label's value
	Help  string  `json:"help"`
	Value float64 `json:"value"`
}

// Health looks at all conditions and figures.
func (d *Desk) Health(ctx context.Context) Health {
	h := Health{
		Version: d.options.Version, Started: d.started.UTC().Truncate(time.Second),
		Trouble: []Trouble{}, Figures: []Reading{},
	}
	now := time.Now()
	for _, c := range d.options.Conditions {
		if c.Holds(ctx, now) {
			h.Trouble = append(h.Trouble, Trouble{Name: c.Name, Says: c.Sentence})
		}
	}
	for _, f := range d.options.Figures {
		for _, value := range f.values() {
			h.Figures = append(h.Figures, Reading{Name: f.Name, Label: value, Help: f.Help, Value: f.Read(ctx, value)})
		}
	}
	h.OK = len(h.Trouble) == 0
	return h
}

// values returns the label's values, or the empty one where there is no label.
func (f *Figure) values() []string {
	if f.Label == "" {
		return []string{""}
	}
	return f.Values
}
