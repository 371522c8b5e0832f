// Package drawdtest is for the tests of programs that embed drawd: a clock that a test moves, entropy from a seed, and a DB
// that ends with its test. With the same seed and the same calls in one order everything that is decided is the same.
//
// Its values may be used by any number of goroutines. Nothing here is for production: whoever knows the seed can predict
// every draw.
package drawdtest
