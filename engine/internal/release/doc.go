// Package release is the mathematics of release schedules: how a quantity is split over windows, and at which instants of a
// window its parts become available. Everything is a pure function of its arguments, in integers; nothing here knows
// campaigns, stock or the time.
//
// The instants of a window are the order statistics of the uniform distribution over the window's allowed milliseconds,
// drawn from a key that nobody outside knows: whoever watches the releases of one window learns nothing of the next. Where
// whole hours are avoided, the allowed milliseconds are those at least Margin away from every whole hour of the local
// clock, where people wait for releases.
//
// Threads: no state, no locks. Durability: none. Not here: pauses, which the engine makes of further windows; and what a
// released unit is.
package release
