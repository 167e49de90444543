// Package watch keeps records in step within seconds. Hints say that somebody should
// look at a record; once nobody has spoken of it for some seconds it is synced by the
// very path of a named sync, which reads and compares as always. What a hint says is
// never believed, and any of them may be lost: every quarter of an hour, at the start,
// and after any flood or gap the guarded pass looks at everything.
//
// The lock of the pass decides who watches. It is held while hints are followed, so a
// second host stands by; an entity that a guard has halted is let go, so that an
// operator's cron-run can take it.
package watch
