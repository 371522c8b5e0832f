package drawtest

import (
	"math/big"
	"testing"

	"github.com/drawd/drawd/engine"
)

// TestWordIsTheDesigns holds word against bytes hashed by hand: sha256sum of 01, sixteen 11, sixteen 22, 00000003,
// sixteen 44; and of the same with 00000001 appended.
func TestWordIsTheDesigns(t *testing.T) {
	var seed [16]byte
	var user, digest engine.Key
	for i := range seed {
		seed[i], user[i], digest[i] = 0x11, 0x22, 0x44
	}
	if got, want := word(seed, user, 3, digest, 0), uint64(0xa26af33b0b9f4717); got != want {
		t.Errorf("word %#x, want %#x", got, want)
	}
	if got, want := word(seed, user, 3, digest, 1), uint64(0xcd9f26eceb4e16f5); got != want {
		t.Errorf("further word %#x, want %#x", got, want)
	}
}

// TestScaleIsEven: of all words that are kept, each number gets the same share. With words of few bits one can count.
func TestScaleIsEven(t *testing.T) {
	for _, denominator := range []uint32{1, 2, 3, 7, 10, 1000, 1_000_000, engine.MaxDenominator} {
		two64 := new(big.Int).Lsh(big.NewInt(1), 64)
		thrown := new(big.Int).Mod(two64, big.NewInt(int64(denominator))).Uint64()
		// The words that give 0 are the lowest; of each number's words, the first few are thrown away so that all keep
		// as many: floor(2^64 / denominator).
		if n, ok := scale(0, denominator); n != 0 || ok != (thrown == 0) {
			t.Errorf("denominator %d: word 0 gives %d, kept %v", denominator, n, ok)
		}
		if n, ok := scale(1<<64-1, denominator); n != uint64(denominator)-1 || !ok {
			t.Errorf("denominator %d: the last word gives %d, kept %v", denominator, n, ok)
		}
	}
}
