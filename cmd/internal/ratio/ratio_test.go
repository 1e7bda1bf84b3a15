package ratio

import "testing"

func TestOf(t *testing.T) {
	a, b := make([]float64, Pairs), make([]float64, Pairs)
	for i := range a {
		b[i] = 1 + float64(i%3)/10
		a[i] = 2 * b[i]
	}
	if r := Of(a, b); r != (Ratio{2, 2, 2}) {
		t.Errorf("twice as much each time: %v", r)
	}
	a[0] = 100 // one disturbed run
	if r := Of(a, b); r.Median != 2 || r.High > 2.5 {
		t.Errorf("one disturbed pair: %v", r)
	}
	for i := range a {
		a[i] = b[i] * (1 + float64(i)/10)
	}
	r := Of(a, b)
	if r.Low >= r.Median || r.High <= r.Median || r.Low < 1 || r.High > 3 {
		t.Errorf("interval of a spread ratio: %v", r)
	}
	if !r.Within(r.Low) || r.Within(r.Low-0.01) {
		t.Errorf("bound: %v", r)
	}
	if !r.AtLeast(r.High) || r.AtLeast(r.High+0.01) {
		t.Errorf("bound from below: %v", r)
	}
}

func TestPlain(t *testing.T) {
	if r := Plain([]float64{3, 1, 2}); r.Median != 2 || r.Low != 1 || r.High != 3 {
		t.Errorf("median of 1, 2, 3: %v", r)
	}
}
