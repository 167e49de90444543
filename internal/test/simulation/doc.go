// Package simulation proves that nothing is lost. It runs tool processes, people
// on both sides and faults against the two simulators, and an oracle watches.
//
// [Process] stands between one tool process and the world and decides what
// becomes of each of its effects: done, not done, done without an answer, or the
// process dies there. seam.go is all that it knows of the tool.
package simulation
