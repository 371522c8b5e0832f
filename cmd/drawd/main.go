package main

import "os"

func main() {
	relaxTimers(os.Args[1:], os.Environ())
	os.Exit(run(os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}
