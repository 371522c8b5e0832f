package release

import (
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

// Shares are exact: monotone, and together the total, also where products need 128 bits.
func TestSharesSumToTheTotal(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		total := rng.Uint64() >> (14 + rng.IntN(50))
		weights := make([]uint64, 1+rng.IntN(50))
		var whole uint64
		for i := range weights {
			weights[i] = rng.Uint64() >> (10 + rng.IntN(54))
			whole += weights[i]
		}
		if whole == 0 {
			continue
		}
		var part, before, sum uint64
		for _, w := range weights {
			part += w
			share := Share(total, part, whole)
			want := new(big.Int).Mul(new(big.Int).SetUint64(total), new(big.Int).SetUint64(part))
			if want.Div(want, new(big.Int).SetUint64(whole)).Uint64() != share {
				t.Fatalf("share of %d: %d of %d is %d, want %v", total, part, whole, share, want)
			}
			if share < before {
				t.Fatalf("shares went back from %d to %d", before, share)
			}
			sum += share - before
			before = share
		}
		if sum != total {
			t.Fatalf("the shares of %d sum to %d", total, sum)
		}
	}
}

// Instants are ascending, inside the spans and never within the margin of a whole hour of the local clock.
func TestInstantsKeepTheirRules(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	offsets := []int64{0, 8 * hour, 5*hour + 1800_000, 5*hour + 2700_000, -9*hour - 1800_000}
	for range 400 {
		from := int64(1_794_355_200_000) + rng.Int64N(10*hour)
		var spans []Span
		for range 1 + rng.IntN(3) {
			to := from + 1 + rng.Int64N(3*hour)
			spans = append(spans, Span{from, to, offsets[rng.IntN(len(offsets))]})
			from = to
		}
		avoid, n := rng.IntN(3) > 0, rng.IntN(300)
		key := [32]byte{byte(rng.IntN(256)), 1}
		all := Instants(nil, &key, n, spans, avoid)
		if Room(spans, avoid) > 0 && len(all) != n {
			t.Fatalf("%d instants, want %d", len(all), n)
		}
		if !slices.IsSorted(all) {
			t.Fatal("instants are not ascending")
		}
		for _, at := range all {
			i := slices.IndexFunc(spans, func(s Span) bool { return at >= s.From && at < s.To })
			if i < 0 {
				t.Fatalf("%d is outside %v", at, spans)
			}
			past := (at + spans[i].Offset) % hour
			if avoid && (past < Margin || past >= hour-Margin) {
				t.Fatalf("%d ms past the hour", past)
			}
		}
		if !slices.Equal(all, Instants(nil, &key, n, spans, avoid)) {
			t.Fatal("the same key gives other instants")
		}
	}
}

// Every allowed millisecond has its number and no other has: the map from numbers to times is a bijection.
func TestRoomIsExactlyTheAllowedTime(t *testing.T) {
	for _, s := range []Span{{1, 2*hour + 77_000, 0}, {hour - 200_000, hour + 150_000, 1800_000}, {100, 101, 0}, {Margin, hour - Margin, 0}} {
		want := int64(0)
		for at := s.From; at < s.To; at += 1 {
			past := (at + s.Offset) % hour
			if past >= Margin && past < hour-Margin {
				if got := s.at(want, true); got != at {
					t.Fatalf("%v: number %d is %d, want %d", s, want, got, at)
				}
				want++
			}
		}
		if got := Room([]Span{s}, true); got != want {
			t.Errorf("%v has room for %d, want %d", s, got, want)
		}
		if got := Room([]Span{s}, false); got != s.To-s.From {
			t.Errorf("%v has %d ms", s, got)
		}
	}
}

// The instants fill the window evenly: each tenth of it has about a tenth of them.
func TestInstantsAreUniform(t *testing.T) {
	const n = 4000
	span := []Span{{0, 10 * room, 0}}
	key := [32]byte{9}
	var tenths [10]int
	for _, at := range Instants(nil, &key, n, span, false) {
		tenths[at/room]++
	}
	for i, got := range tenths {
		if got < n/10-100 || got > n/10+100 {
			t.Errorf("tenth %d has %d of %d", i, got, n)
		}
	}
}

func TestCount(t *testing.T) {
	all := []int64{3, 5, 5, 9}
	for at, want := range map[int64]int{2: 0, 3: 1, 4: 1, 5: 3, 8: 3, 9: 4, 99: 4} {
		if got := Count(all, at); got != want {
			t.Errorf("at %d: %d, want %d", at, got, want)
		}
	}
}

func FuzzInstants(f *testing.F) {
	f.Add(int64(0), int64(hour), int64(0), uint8(5), true)
	f.Fuzz(func(t *testing.T, from, length, offset int64, n uint8, avoid bool) {
		from, length, offset = from&(1<<47-1)+86_400_000, length&(1<<38-1), offset%86_400_000
		span := []Span{{from, from + length, offset}}
		for _, at := range Instants(nil, &[32]byte{byte(n)}, int(n), span, avoid) {
			past := (at + offset) % hour
			if at < from || at >= from+length || avoid && (past < Margin || past >= hour-Margin) {
				t.Fatalf("%d in %v", at, span)
			}
		}
	})
}
