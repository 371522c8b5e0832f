// Package failpoint lets a process die by SIGKILL at a point of the code that has a name, for the tests that start it again.
//
// A point is a line, failpoint.Hit(name): in every ordinary build nothing, at compile time. With the build tag failpoints the
// environment variable DRAWD_FAILPOINTS names a directory; a process dies at the point whose name stands in the file there that is
// named by its number (its pid). So whoever started it arms one point of one process when he likes, and knows it by the death.
// A build with the tag takes checkpoints often, and keeps little log behind them: what comes once in hours comes in seconds.
//
// The package stands below everything that has points.
package failpoint
