package model

import (
	"os"
	"testing"
	"time"
)

func TestSeeds(t *testing.T) {
	seeds := uint64(100)
	if testing.Short() {
		seeds = 8
	}
	var total Report
	for seed := range seeds {
		r, err := Run(seed, 400)
		if err != nil {
			t.Fatal(err)
		}
		total.Add(r)
	}
	t.Logf("%+v", total)
	for what, n := range map[string]int{
		"retries": total.Retries, "entries twice": total.Twice, "leaders": total.Leaders, "truncated": total.Truncated, "checkpoints": total.Checkpoints,
		"given up": total.GivenUp, "restarts": total.Restarts, "installs": total.Installs, "damaged": total.Damaged,
	} {
		if n < 3 {
			t.Errorf("%s: %d", what, n)
		}
	}
}

// TestTheSameAgain: a seed is a run, bit for bit.
func TestTheSameAgain(t *testing.T) {
	for seed := range uint64(4) {
		a, err := Run(seed, 200)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Run(seed, 200)
		if err != nil || *a != *b {
			t.Errorf("seed %d: %+v, then %+v (%v)", seed, a, b, err)
		}
	}
}

// TestSoak runs seeds from MODEL_SEED on for as long as MODEL_FOR says.
func TestSoak(t *testing.T) {
	limit, err := time.ParseDuration(os.Getenv("MODEL_FOR"))
	if err != nil {
		t.Log("MODEL_FOR names no duration")
		return
	}
	began, n := time.Now(), uint64(0)
	var total Report
	for ; time.Since(began) < limit; n++ {
		r, err := Run(1_000_000+n, 600)
		if err != nil {
			t.Fatal(err)
		}
		total.Add(r)
	}
	t.Logf("%d seeds: %+v", n, total)
}
