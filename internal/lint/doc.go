// Package lint holds the rules of this repository that the compiler does not know: who may import whom, what the engine
// may never do, how long a file may get. Policy is data (policy.go), every row has its reason, and the rules run as
// ordinary tests, so that a broken rule names the line, the rule and the reason.
//
// Purpose: architecture and style that hold without a reviewer. DO NOT change the policy to make a build pass; change it
// when the design changes, and say why in the row.
//
// Threads: none. Durability: none. A rule reads a Tree, which is parsed once; rules that need types check each package on
// its own against compiled export data.
//
// What it does not do: formatting, vet and staticcheck (make check runs them), and anything that needs a run of the code.
package lint
