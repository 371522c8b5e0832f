// Package sim runs whole clusters in simulated time.
package sim
