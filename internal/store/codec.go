package store

import (
	"encoding/json"
	"fmt"

	"advosync/internal/record"
)

// EncodeMemory is the stored form of a memory; Rev is kept beside it.
func EncodeMemory(m Memory) ([]byte, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode memory: %w", err)
	}
	return b, nil
}

// DecodeMemory reads what EncodeMemory wrote.
func DecodeMemory(doc []byte, rev int64) (Memory, error) {
	var m Memory
	if err := json.Unmarshal(doc, &m); err != nil {
		return Memory{}, fmt.Errorf("decode memory: %w", err)
	}
	m.Rev = rev
	m.Base.unknowAhead()
	if m.Intent != nil {
		m.Intent.former()
	}
	return m, nil
}

// EncodeIntent is the stored form of an intent, for a store that keeps it beside the
// rest of the memory.
func EncodeIntent(in Intent) ([]byte, error) {
	b, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("encode intent: %w", err)
	}
	return b, nil
}

// DecodeIntent reads what EncodeIntent wrote.
func DecodeIntent(doc []byte) (*Intent, error) {
	var in Intent
	if err := json.Unmarshal(doc, &in); err != nil {
		return nil, fmt.Errorf("decode intent: %w", err)
	}
	in.former()
	return &in, nil
}

// former brings what a former version announced up to date.
func (in *Intent) former() {
	in.Base.unknowAhead()
	in.Planned.unknowAhead()
}

// EncodeEntry is the stored form of a history entry.
func EncodeEntry(e Entry) ([]byte, error) {
	b, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode history entry: %w", err)
	}
	return b, nil
}

// DecodeEntry reads what EncodeEntry wrote.
func DecodeEntry(doc []byte) (Entry, error) {
	var e Entry
	if err := json.Unmarshal(doc, &e); err != nil {
		return Entry{}, fmt.Errorf("decode history entry: %w", err)
	}
	return e, nil
}

// UnmarshalJSON keeps "an empty value was sent" apart from "nothing was sent":
// encoding/json turns null into a nil pointer before the value's own decoder is
// asked, and an empty value is written as null.
func (f *IntentField) UnmarshalJSON(b []byte) error {
	type plain IntentField
	wire := struct {
		*plain
		Sent   json.RawMessage `json:"sent"`
		ToEspo json.RawMessage `json:"toEspo"`
	}{plain: (*plain)(f)}
	if err := json.Unmarshal(b, &wire); err != nil {
		return err
	}
	var err error
	if f.Sent, err = decodeOptional(wire.Sent); err != nil {
		return err
	}
	f.ToEspo, err = decodeOptional(wire.ToEspo)
	return err
}

func decodeOptional(raw json.RawMessage) (*record.Value, error) {
	if raw == nil {
		return nil, nil
	}
	var v record.Value
	if err := v.UnmarshalJSON(raw); err != nil {
		return nil, err
	}
	return &v, nil
}
