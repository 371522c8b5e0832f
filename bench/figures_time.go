package bench

import "time"

// figureTimes say how long each figure takes on an idle machine of two cores: so many turns a pair, so many of a run as a whole, and so
// many seconds beside them. They are for people who wait, not for a bound.
var figureTimes = [...]struct {
	id            string
	pair, run     float64
	beside, users float64 // seconds; seconds for a million users
}{
	{"P1", 2, 0, 1, 0}, {"P2", 2, 0, 2, 0}, {"P3", 2, 0, 1, 0}, {"P4", 2, 0, 1, 0}, {"P5", 6, 0, 3, 0}, {"P6", 3, 0, 12, 0}, {"P7", 2.2, 0, 2, 2}, {"P8", 0, 0, 1, 3},
	{"P9", 0, 0, 8, 12}, {"P10", 0, 0, 60, 0}, {"P11", 0.6, 0, 6, 8}, {"P12", 0, 9, 22, 0}, {"P13", 2, 0, 10, 0}, {"knee", 0, 8, 5, 0},
}

// estimate is about how long the wanted figures take.
func (f *figures) estimate() time.Duration {
	turn := float64(f.o.Seconds) + warmup(time.Duration(f.o.Seconds)*time.Second).Seconds() + 0.2
	sum := 0.0
	for _, t := range figureTimes {
		if f.wanted(t.id) {
			users := f.o.Users
			if t.id == "P9" {
				users = f.o.P9Users
			}
			sum += (t.pair*float64(f.o.Pairs)+t.run)*turn + t.beside + t.users*float64(users)/1e6
		}
	}
	return time.Duration(sum * float64(time.Second))
}
