// Package report turns the document of a run into one HTML file: plots of rate and latency over time, percentiles, what each
// prize had left, outcomes, and tables of the environment and the verdict.
//
// The file needs nothing beside itself and asks the network for nothing: scripts, styles and the document are in it, and its
// content security policy forbids every request. It can be read in a dark and in a light room, printed, and opened from a
// disk. The document is in it word for word, so that the figures can be taken out again (see the foot of the page).
//
// The plots are drawn by uPlot 1.6.32 (MIT, assets/uplot-LICENSE), which is embedded as its authors minified it.
//
// # What it does not do
//
// It computes no figure of its own: what it shows stands in the document. Only the curve of percentiles is read out of the
// document's histograms.
package report
