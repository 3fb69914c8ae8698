package attack

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// A sample is what an attacker sees of one thing, and what is to be told from
// it. All samples of a set have as many features.
type sample struct {
	features []float64
	real     bool
}

// A verdict is how well the classes can be told apart by what was learned on
// one half of the samples and tried on the other.
type verdict struct {
	auc       float64 // area under the ROC curve: 0.5 is guessing
	low, high float64 // its interval of confidence (DeLong), which it leaves by chance once in ten thousand times
	widest    float64 // largest |z| of a single feature over all samples
	feature   int     // which that is
}

const (
	// widestByChance is what the largest |z| of a thousand features reaches by
	// chance once in twenty thousand times.
	widestByChance = 5.5

	// quantile9999 is how many standard deviations to both sides of the mean hold
	// all but one ten-thousandth of a normal distribution.
	quantile9999 = 3.891
)

// tells says whether the classes differ, as far as the samples show. By chance it
// does so once in six thousand times where they don't. So what it says counts only
// when other samples show it as well, and once more: by chance, in less than one of
// a hundred thousand million runs.
func (v verdict) tells() bool {
	return v.low > 0.5 || v.high < 0.5 || v.widest > widestByChance
}

// judge learns a logistic regression on half of the samples, and measures it on
// the rest. The same attacker sees every feature by itself, too.
func judge(samples []sample) verdict {
	samples = slices.Clone(samples)
	rand.Shuffle(len(samples), func(i, j int) { samples[i], samples[j] = samples[j], samples[i] })
	var v verdict
	v.widest, v.feature = widest(samples)
	scale(samples)
	half := len(samples) / 2
	weights := learn(samples[:half])
	var scores [2][]float64
	for _, s := range samples[half:] {
		class := 0
		if s.real {
			class = 1
		}
		scores[class] = append(scores[class], dot(weights, s.features))
	}
	v.auc, v.low, v.high = delong(scores[1], scores[0])
	return v
}

// widest returns the largest |z| of the difference between the classes' means
// in any one feature (Welch).
func widest(samples []sample) (z float64, feature int) {
	for i := range samples[0].features {
		var m [2]moments
		for _, s := range samples {
			class := 0
			if s.real {
				class = 1
			}
			m[class].add(s.features[i])
		}
		if t := math.Abs(welch(m[0], m[1])); t > z {
			z, feature = t, i
		}
	}
	return z, feature
}

// moments is the count, mean and sum of squared differences of some values.
type moments struct{ n, mean, squares float64 }

func (m *moments) add(x float64) {
	m.n++
	d := x - m.mean
	m.mean += d / m.n
	m.squares += d * (x - m.mean)
}

func (m *moments) variance() float64 { return m.squares / (m.n - 1) }

// welch is Welch's t of two sets of values; 0 where neither varies and both are
// equal.
func welch(a, b moments) float64 {
	if a.mean == b.mean {
		return 0
	}
	return (a.mean - b.mean) / math.Sqrt(a.variance()/a.n+b.variance()/b.n)
}

// scale gives each feature mean 0 and variance 1.
func scale(samples []sample) {
	n := len(samples[0].features)
	all := make([]moments, n)
	for _, s := range samples {
		for i, x := range s.features {
			all[i].add(x)
		}
	}
	for k, s := range samples {
		scaled := make([]float64, n)
		for i, x := range s.features {
			if v := all[i].variance(); v > 0 {
				scaled[i] = (x - all[i].mean) / math.Sqrt(v)
			}
		}
		samples[k].features = scaled
	}
}

// learn is logistic regression with a penalty on the weights, by gradient
// descent.
func learn(samples []sample) []float64 {
	const rounds, penalty = 60, 0.05
	n := len(samples[0].features)
	weights, step := make([]float64, n), 4/float64(n)
	step = min(1, max(step, 0.02))
	for range rounds {
		gradient := make([]float64, n)
		for _, s := range samples {
			miss := 1 / (1 + math.Exp(-dot(weights, s.features)))
			if s.real {
				miss--
			}
			for i, x := range s.features {
				gradient[i] += miss * x
			}
		}
		for i := range weights {
			weights[i] -= step * (gradient[i]/float64(len(samples)) + penalty*weights[i])
		}
	}
	return weights
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

// delong is the area under the ROC curve and its interval of confidence (DeLong,
// DeLong and Clarke-Pearson, Biometrics 44, 1988).
func delong(positive, negative []float64) (auc, low, high float64) {
	slices.Sort(positive)
	slices.Sort(negative)
	above := placements(positive, negative) // of the negatives below each positive
	below := placements(negative, positive)
	var p, n moments
	for _, x := range above {
		p.add(x)
	}
	for _, x := range below {
		n.add(x)
	}
	spread := math.Sqrt(p.variance()/p.n+n.variance()/n.n) * quantile9999
	return p.mean, p.mean - spread, p.mean + spread
}

// placements returns for each x the share of the others that are smaller, those
// equal counted by half. Both are sorted.
func placements(xs, others []float64) []float64 {
	out := make([]float64, len(xs))
	for i, x := range xs {
		first, _ := slices.BinarySearch(others, x)
		last, _ := slices.BinarySearchFunc(others, x, func(o, x float64) int {
			if o <= x {
				return -1
			}
			return 1
		})
		out[i] = float64(first+last) / 2 / float64(len(others))
	}
	return out
}

// The classifier must see what is there, and see nothing where there is nothing.
func TestJudge_findsWhatIsThere(t *testing.T) {
	draw := func(shift float64) []sample {
		samples := make([]sample, 4000)
		for i := range samples {
			samples[i].real = i%2 == 0
			for range 300 {
				samples[i].features = append(samples[i].features, rand.NormFloat64())
			}
			if samples[i].real {
				for j := range 20 {
					samples[i].features[j] += shift
				}
			}
		}
		return samples
	}
	weak, none := judge(draw(0.2)), judge(draw(0))
	if !weak.tells() || weak.auc < 0.55 {
		t.Errorf("twenty weak marks: AUC %.3f (%.3f to %.3f)", weak.auc, weak.low, weak.high)
	}
	if none.tells() && judge(draw(0)).tells() && judge(draw(0)).tells() {
		t.Errorf("nothing at all: AUC %.3f (%.3f to %.3f), widest %.1f", none.auc, none.low, none.high, none.widest)
	}
	if auc, _, _ := delong([]float64{2, 3, 4}, []float64{1, 2, 3}); math.Abs(auc-7.0/9) > 1e-9 {
		t.Errorf("an area of 7/9 is taken for %v", auc)
	}
}
