package admin

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// namespace is what every metric's name begins with.
const namespace = "restante"

// patience is how long a look at everything may take.
const patience = 10 * time.Second

// A collector turns a desk's tables into metrics whenever it is asked.
type collector struct{ desk *Desk }

func describe(f *Figure) *prometheus.Desc {
	var labels []string
	if f.Label != "" {
		labels = []string{f.Label}
	}
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", f.Name), f.Help, labels, nil)
}

// trouble is the metric of the conditions.
func trouble() *prometheus.Desc {
	return prometheus.NewDesc(namespace+"_trouble", "1 for what needs the operator, else 0.", []string{"condition"}, nil)
}

// Describe implements [prometheus.Collector].
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	to <- trouble()
	to <- startDesc()
	for i := range c.desk.options.Figures {
		to <- describe(&c.desk.options.Figures[i])
	}
}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	now := time.Now()
	for _, condition := range c.desk.options.Conditions {
		holds := 0.0
		if condition.Holds(ctx, now) {
			holds = 1
		}
		to <- prometheus.MustNewConstMetric(trouble(), prometheus.GaugeValue, holds, condition.Name)
	}
	to <- prometheus.MustNewConstMetric(startDesc(), prometheus.GaugeValue, float64(c.desk.started.Unix()))
	for i := range c.desk.options.Figures {
		f := &c.desk.options.Figures[i]
		kind := prometheus.GaugeValue
		if f.Counter {
			kind = prometheus.CounterValue
		}
		for _, value := range f.values() {
			var labels []string
			if f.Label != "" {
				labels = []string{value}
			}
			to <- prometheus.MustNewConstMetric(describe(f), kind, f.Read(ctx, value), labels...)
		}
	}
}

func startDesc() *prometheus.Desc {
	return prometheus.NewDesc(namespace+"_start_time_seconds", "When the gateway was started, in seconds since 1970.", nil, nil)
}
