// Package examples holds campaign files that teach, and the tests that play each of them with a small crowd on the
// engine alone. Templates gives the files to the command line, as what a new campaign begins with.
//
// Threads, locks, durability: none; the files are read by tests, by the README's commands and by people.
package examples
