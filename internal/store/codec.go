package store

import (
	"encoding/json"
	"fmt"
)

// EncodeMemory is the stored form of a memory; Rev is kept beside it.
func EncodeMemory(m Memory) ([]byte, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode memory: %w", err)
	}
	return b, nil
}

// DecodeMemory reads what EncodeMemory wrote, also in a former version.
func DecodeMemory(doc []byte, rev int64) (Memory, error) {
	var m struct {
		Memory
		Former json.RawMessage `json:"intent"`
	}
	if err := json.Unmarshal(doc, &m); err != nil {
		return Memory{}, fmt.Errorf("decode memory: %w", err)
	}
	m.Rev = rev
	m.Base.unknowAhead()
	if m.Former != nil {
		if err := m.DecodeOpen(m.Former); err != nil {
			return Memory{}, err
		}
	}
	return m.Memory, nil
}

// EncodeOpen is the stored form of an announced write, for a store that keeps it
// beside the rest of the memory.
func (m *Memory) EncodeOpen() ([]byte, error) {
	b, err := json.Marshal(m.Open)
	if err != nil {
		return nil, fmt.Errorf("encode an announced write: %w", err)
	}
	return b, nil
}

// DecodeOpen takes what EncodeOpen wrote into the memory, and what a former version
// kept in its place, which held the base in force as well.
func (m *Memory) DecodeOpen(doc []byte) error {
	var f former
	if err := json.Unmarshal(doc, &f); err != nil {
		return fmt.Errorf("decode an announced write: %w", err)
	}
	if f.Kind != "" {
		f.bringUpToDate(m)
		return nil
	}
	var open Announcement
	if err := json.Unmarshal(doc, &open); err != nil {
		return fmt.Errorf("decode an announced write: %w", err)
	}
	m.Open = &open
	return nil
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
