// Package mutant plants faults that the simulation must find. A checker that lets one of them live has a hole.
//
// Where a fault can be planted the code asks [On]; in every ordinary build that is false at compile time, and the branch is
// not there. With the build tag mutants, the environment variable DRAWD_MUTANT names the one fault that is on. A fault is a
// mistake that somebody could make: a check left out, a step in the wrong order, a promise kept on one path only.
//
// The package stands below everything, also below the engine, in which nothing else may look at a clock or an environment: in
// ordinary builds it does neither.
package mutant
