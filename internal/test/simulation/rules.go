package simulation

// What the oracle lets pass, besides the windows that stay open and an operator's
// word (command.go). Each is counted where it decides, so that one which never
// strikes is noticed; oracle_test.go holds each against its nearest neighbour.
const (
	// PolicyDecides: a person's edit on the other side wins under the policy.
	PolicyDecides = "the other side's edit wins"
	// ReadRival: it won when the run read it, and is none any more.
	ReadRival = "the other side's edit won when it was read"
	// TakenBack: the other side's edit had come here, and a backup took it back before
	// a run could remember that.
	TakenBack = "an edit whose copy a backup took back wins"
	// ChangeOfCase: the other side's edit changes nothing but upper and lower case, and
	// has not travelled yet.
	ChangeOfCase = "a change of case wins"
	// UndoCutOff: what an undo has put back on the other side counts as an edit there
	// until a run has found the record in step, also where both sides held it for a while.
	UndoCutOff = "what an " + undoes + " put back that was cut off wins"
	// KindAsOne: the record's kind has changed, and that travels as one.
	KindAsOne = "a change of kind decides its fields"
	// AskedAbout: an operator decided what a conflict was said to be about.
	AskedAbout = resolves + " of what was asked about"
	// ThroughAWindow: what came through an open window to the other side is an edit to
	// every run since, and wins.
	ThroughAWindow = "what came through an open window wins"
	// FirstContact: EspoCRM's values go over at a first contact (link, reset --forget), also
	// at one that a backup has brought back together with another link.
	FirstContact = "first contact"
	// OldByItsStamps: nothing is remembered of a record that a backup has restored.
	OldByItsStamps = "nothing remembered of a restored record"
	// WriteTakenBack: a backup took back a write whose run could not remember it.
	WriteTakenBack = "interrupted write taken back by a backup"
	// TakenFromPair: a backup took a value from one side that the acting run had itself
	// written there: what it brought instead is the only edit.
	TakenFromPair = "value on both sides, taken from one by a backup"
	// NothingRemembered: nobody can tell which side has moved.
	NothingRemembered = "nothing remembered"
	// UndoOfABackup: an undo replaces what the undone run wrote and a backup brought back.
	UndoOfABackup = undoes + " of what a backup brought back"
	// UndoOfAnUndo: an undo replaces what an undo had put back that did not get through.
	UndoOfAnUndo = undoes + " of an undo"
	// Forced: undo --force.
	Forced = undoes + " --force"
	// ForcedOver: what undo --force puts back goes over the other side's edit of it.
	ForcedOver = undoes + " --force over the other side"
	// ForcedInDoubt: undo --force puts back what a run announced; whether it was
	// overwritten nobody knows.
	ForcedInDoubt = undoes + " --force of what was announced"
	// SameEdit: both sides had the same edit for a while: the tool may have found them
	// in step; a run that parked a conflict in another field then has, and an edit back
	// to it is none.
	SameEdit = "the same edit on both sides"
	// NotLinkedYet: the two records belong together by what a run announced.
	NotLinkedYet = "made and not linked yet"
	// BroughtBack: a backup has brought back the very value that was overwritten.
	BroughtBack = "overwritten, and brought back by a backup"
	// DeletedWith: a record is deleted with a value that its EspoCRM record held, too,
	// when a person deleted that.
	DeletedWith = "deleted with its EspoCRM record"
	// BackToBase: a value that was in step before is no edit.
	BackToBase = "edited back to what was in step"
	// LeftOut: what an Advoware record does not answer is never cleared.
	LeftOut = "left out by a restored record"
	// GivenUpWithTheKind: a field that the new kind does not have.
	GivenUpWithTheKind = "given up with the kind"
	// StoredInOwnForm: Advoware stores in a form of its own what it is given back.
	StoredInOwnForm = "stored in its own form"
	// LinkedWhenRead: the link was gone when the run wrote, and stood when it read.
	LinkedWhenRead = "linked when it was read"
	// AnotherLink: a backup has given the record another link than it had.
	AnotherLink = "linked to another by a backup"
)

// rule counts a rule that lets something pass.
func (o *Oracle) rule(name string) { o.ruled[name]++ }
