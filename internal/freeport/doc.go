// Package freeport hands out ports of 127.0.0.1 to processes that must be told each other's addresses before they start, or that
// come back where they were.
//
// A port that the kernel chose and that was closed again is free for anybody: the kernel gives it to the next one who asks for
// any port, with about 7,000 to choose from. Six nodes that are told addresses found in that way meet in one of 300 starts.
// So the ports here lie below those that the kernel chooses from, each comes once, and a process claims a span of them by
// listening on the first: two processes that use this package never have one in common while both hold their claims.
package freeport
