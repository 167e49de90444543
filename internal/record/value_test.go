package record

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func anyValue() *rapid.Generator[Value] {
	return rapid.Custom(func(t *rapid.T) Value {
		s := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "a", "A", "a.", "-", "1.5", "15", "-5", "null", `"`, "e-\u0301", "é", "ß", "SS"})).Draw(t, "text")
		switch rapid.IntRange(0, 5).Draw(t, "state") {
		case 0:
			return Absent()
		case 1:
			return Empty()
		case 2:
			return Unmapped(s)
		case 3:
			return Unknown()
		default:
			return Of(s)
		}
	})
}

func TestValueStates(t *testing.T) {
	for _, c := range []struct {
		v                                Value
		absent, empty, unmapped, hasText bool
		text, masked, wire               string
	}{
		{Absent(), true, false, false, false, "", "(absent)", `{"absent":true}`},
		{Value{}, true, false, false, false, "", "(absent)", `{"absent":true}`},
		{Empty(), false, true, false, false, "", "(empty)", `null`},
		{Of(""), false, true, false, false, "", "(empty)", `null`},
		{Of("null"), false, false, false, true, "null", "(value)", `"null"`},
		{Of("Müller\n\"x\""), false, false, false, true, "Müller\n\"x\"", "(value)", `"Müller\n\"x\""`},
		{Unmapped("Dr."), false, false, true, true, "Dr.", "(value)", `{"unmapped":"Dr."}`},
		{Unmapped(""), false, false, true, true, "", "(value)", `{"unmapped":""}`},
	} {
		if c.v.IsAbsent() != c.absent || c.v.IsEmpty() != c.empty || c.v.IsUnmapped() != c.unmapped || c.v.HasText() != c.hasText || c.v.Text() != c.text {
			t.Errorf("%s: wrong state", c.wire)
		}
		if c.v.String() != c.masked {
			t.Errorf("%s: shown as %s", c.wire, c.v)
		}
		b, err := json.Marshal(c.v)
		if err != nil || string(b) != c.wire {
			t.Errorf("got %s, %v; want %s", b, err, c.wire)
		}
	}
	if Absent() == Empty() || Empty() == Unmapped("") || Of("a") == Unmapped("a") {
		t.Error("different states are equal")
	}
}

func TestValueIsMaskedByEveryVerb(t *testing.T) {
	for _, v := range []Value{Of("geheim"), Unmapped("geheim")} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			for _, x := range []any{v, Pair{Espo: v}, &v, []Value{v}, map[string]Pair{"k": {Advo: v}}} {
				if s := fmt.Sprintf(verb, x); strings.Contains(s, "geheim") {
					t.Errorf("%s of %T shows the content: %s", verb, x, s)
				}
			}
		}
	}
}

func TestValueRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Pair{Espo: anyValue().Draw(t, "espo"), Advo: anyValue().Draw(t, "advo")}
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got Pair
		if err := json.Unmarshal(b, &got); err != nil || got != want {
			t.Fatalf("%s: %v", b, err)
		}
	})
}

func TestValueRefusesOtherJSON(t *testing.T) {
	for _, s := range []string{"1", "true", "[]", `{"unmapped":1}`, `{"absent":"yes"}`} {
		var v Value
		if err := json.Unmarshal([]byte(s), &v); err == nil {
			t.Errorf("%s was taken for a value", s)
		}
	}
}

func TestSides(t *testing.T) {
	p := Pair{Espo: Of("e"), Advo: Of("a")}
	if p.On(EspoCRM) != p.Espo || p.On(Advoware) != p.Advo || EspoCRM.Other() != Advoware || Advoware.Other() != EspoCRM {
		t.Error("the sides are mixed up")
	}
}

func TestFoldEqual(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"Müller", "Müller", true},
		{"Müller", "MÜLLER", true},
		{"Müller", "Mu\u0308ller", true}, // the Unicode form
		{"Müller", "Muller", false},
		{"Müller", "Mueller", false},
		{"Straße", "STRASSE", true},
		{"Hauptstr. 1", "hauptstr 1", false},
		{"Hauptstr. 1", "Hauptstr. 2", false},
		{"a b", "ab", false},
		{"a \t b", " a b ", true},
		{"a\r\nb", "a\nb", true},
		{"+49 30 123-4", "+49 30 1234", true}, // one telephone number
		{"0511/123-45", "0511 12345", true},
		{"0511/123-45", "0511 12346", false},
		{"22 0511", "220511", true}, // without a prefix
		{"1234.5", "12345", false},
		{"info@kanzlei-x.de", "info@kanzleix.de", false},
		{"d'Or", "dOr", false},
		{"+49 30", "0049 30", false},
		{"+49 30 1234", "49 30 1234", false},
		{"C++", "C", false},
		{"5 €", "5 $", false},
		{"👍", "👎", false},
		{"👍", "", false},
		{"👍", "👍!", false},
		{"-", "", false},
		{"-", ".", false},
		{"-", "-", true},
		{"-5", "5", false},
		{"1.5", "15", false},
		{"19.90", "1990", false},
		{"1e-5", "1e5", false},
		{"1E5", "1e5", true},
		{"15", "15", true},
		{"e-\u0301", "é", false},
		{"ДОМ", "дом", true},
		{"ＡＢ", "AB", false}, // no compatibility forms: another width is another text
		{"soft\u00adhyphen", "softhyphen", false},
	} {
		if got := FoldEqual(Of(c.a), Of(c.b)); got != c.want {
			t.Errorf("%q and %q: %v", c.a, c.b, got)
		}
	}
	for _, v := range []Value{Absent(), Empty(), Unmapped("a")} {
		if !FoldEqual(v, v) || FoldEqual(v, Of("a")) || FoldEqual(v, Unmapped("A")) {
			t.Errorf("%s is equal to itself only", v)
		}
	}
}

// TestFoldEqualIsAnEquivalence, and Fold changes nothing twice.
func TestFoldEqualIsAnEquivalence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := anyValue().Draw(t, "a"), anyValue().Draw(t, "b"), anyValue().Draw(t, "c")
		if !FoldEqual(a, a) {
			t.Fatal("not reflexive")
		}
		if FoldEqual(a, b) != FoldEqual(b, a) {
			t.Fatal("not symmetric")
		}
		if Agree(a, b) && Agree(b, c) && !Agree(a, c) {
			t.Fatal("not transitive")
		}
		if Agree(a, b) && !FoldEqual(a, b) {
			t.Fatal("what agrees is one value in two forms")
		}
		if once := Fold(a.Text()); Fold(once) != once {
			t.Fatalf("%q folds to %q, then to %q", a.Text(), once, Fold(once))
		}
		if upper := Of(strings.ToUpper(a.Text())); a.HasText() && !a.IsUnmapped() && Fold(a.Text()) != "" && isASCII(a.Text()) && !FoldEqual(a, upper) {
			t.Fatalf("case counts in %q", a.Text())
		}
	})
}

// What stands beside a letter has no say in how it folds: a text of ASCII alone goes a
// shorter way.
func TestEachLetterFoldsByItself(t *testing.T) {
	for r := rune('!'); r < utf8.RuneSelf; r++ {
		for other := r; ; {
			if alone, beside := Fold(string(other)), Fold(string(other)+"Ł"); alone+"Ł" != beside {
				t.Errorf("%q folds to %q alone, and beside Ł to %q", other, alone, beside)
			}
			if other = unicode.SimpleFold(other); other == r {
				break
			}
		}
	}
}

// Cherokee's small letters fold to its capitals and back.
func TestFoldOfCherokeeLettersSettles(t *testing.T) {
	if once := Fold("ꭰ"); Fold(once) != once || !FoldEqual(Of("ꭰ"), Of("Ꭰ")) {
		t.Errorf("ꭰ folds to %q, then to %q", once, Fold(once))
	}
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 127 }) < 0
}

func TestOwnForm(t *testing.T) {
	for _, c := range []struct {
		name       string
		sent, read Value
		want       bool
	}{
		{"the same", Of("a"), Of("a"), true},
		{"upper case", Of("Müller"), Of("MÜLLER"), true},
		{"trimmed inside", Of("030 / 12 34"), Of("030/1234"), true},
		{"cut", Of("Hauptstraße"), Of("Hauptstr"), true},
		{"cut within emoji text", Of("ab👍cd"), Of("ab👍"), true},
		{"cut to nothing", Of("a"), Empty(), false},
		{"cut at the front", Of("abc"), Of("bc"), false},
		{"longer", Of("ab"), Of("abc"), false},
		{"another text", Of("ab"), Of("ac"), false},
		{"umlaut lost", Of("Müller"), Of("Muller"), false},
		{"a number is not cut", Of("19"), Of("1"), false},
		{"sign lost", Of("-5"), Of("5"), false},
		{"point lost", Of("1.5"), Of("15"), false},
		{"empty stays empty", Empty(), Empty(), true},
		{"emptied", Empty(), Of("a"), false},
		{"not answered", Of("a"), Absent(), false},
		{"unmapped is not cut", Unmapped("abc"), Unmapped("ab"), false},
		{"text to unmapped", Of("a"), Unmapped("a"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := OwnForm(c.sent, c.read); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// TestNothingBetweenLettersIsFoldedAway: two texts of which one lacks a character that
// stands between two letters or digits of the other never agree, and so are never
// paired (first week, 6).
func TestNothingBetweenLettersIsFoldedAway(t *testing.T) {
	solid := rapid.StringMatching(`[a-zA-Z0-9äöüßÄÖÜé]{1,8}`)
	rapid.Check(t, func(t *rapid.T) {
		before, after := solid.Draw(t, "before"), solid.Draw(t, "after")
		between := rapid.SampledFrom([]string{".", "-", "_", "@", "/", ":", " ", ",", "'", "’", "+", "&", "\u00ad", "\n", "·", "#", "("}).Draw(t, "between")
		outer := rapid.SampledFrom([]string{"", " x", ". y", "@z.de"}).Draw(t, "outer")
		with, without := Of(before+between+after+outer), Of(before+after+outer)
		if Agree(with, without) {
			t.Fatalf("%q and %q agree", with.Text(), without.Text())
		}
		if FoldEqual(with, without) && !phone.MatchString(with.Text()) {
			t.Fatalf("%q counts as a form of %q", without.Text(), with.Text())
		}
		if other := Of(before + "+" + after + outer); between != "+" && Agree(with, other) {
			t.Fatalf("%q and %q agree", with.Text(), other.Text())
		}
		if !Agree(with, Of(strings.ToLower(with.Text()))) && isASCII(with.Text()) {
			t.Fatalf("case counts in %q", with.Text())
		}
	})
}
