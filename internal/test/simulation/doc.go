// Package simulation proves that nothing is lost. It runs tool processes, people
// on both sides and faults against the two simulators, and holds what happened
// against an oracle that knows every edit.
//
// [Process] stands between one tool process and the world and decides what
// becomes of each of its effects: done, not done, done without an answer, or the
// process dies there. [Oracle] sees every change in both systems, tells the
// tool's from people's, and says which change lost an edit.
package simulation
