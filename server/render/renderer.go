package render

import (
	"fmt"

	"github.com/drawd/drawd/engine"
)

// IDs makes public ids. *engine.Engine does.
type IDs interface {
	AppendID(dst []byte, kind engine.IDKind, l engine.Location) []byte
}

// Campaign is what a record's campaign must tell. *engine.Campaign does.
type Campaign interface {
	ID() string
	VersionNumber(n uint32) *engine.Version
}

// subdraw is one recorded sub-draw and what its rendering may use. Nothing else may enter an answer: a replay must have
// the same bytes.
type subdraw struct {
	ids      IDs
	campaign string
	version  *engine.Version // the one that the record names
	record   *engine.Record
	at       engine.Location
	public   bool // for a player's eyes: another wire form, without seq
	masked   bool // for who may not see codes
}

// renderer is one way of rendering a draw. list is what stands around the sub-draws when the request named "times".
type renderer struct {
	json      func(dst []byte, s *subdraw) []byte
	binary    func(dst []byte, s *subdraw) []byte
	resp      func(dst []byte, s *subdraw) []byte
	listOpen  string
	listClose string
}

// renderers by number. Append-only: a number that was ever released keeps its bytes for good, held by golden files.
var renderers = [...]renderer{
	1: {json: appendDrawJSON1, binary: appendDrawBinary1, resp: appendDrawRESP1, listOpen: `{"draws":[`, listClose: `]}`},
}

// Answer is what was recorded for one draw request: Count records next to each other, the first of which stands at At.
// It is reused: a caller keeps one and sets the fields for each answer.
type Answer struct {
	IDs      IDs
	Campaign Campaign
	At       engine.Location
	Records  []byte // the encoded records
	Count    int
	Public   bool // for a player's eyes: without what tells how many others drew
	Masked   bool // for who may not see codes: it says only that there is one

	Wins     int // of the sub-draws that were rendered last
	Unfunded int // of them: those in which a pity was due and had nothing left to give

	record engine.Record // decoded: kept for its memory
	draw   subdraw
}

// AppendJSON appends the answer in its JSON form: the object of the only sub-draw, or a list when the request named
// "times". An error means that a record is damaged or is of a newer release than this one.
func (a *Answer) AppendJSON(dst []byte) ([]byte, error) {
	rest := a.Records
	a.Wins, a.Unfunded = 0, 0
	for i := range a.Count {
		n, by, err := a.load(rest, i)
		if err != nil {
			return dst, err
		}
		if a.record.Listed {
			if i == 0 {
				dst = append(dst, by.listOpen...)
			} else {
				dst = append(dst, ',')
			}
		}
		dst = by.json(dst, &a.draw)
		if a.record.Listed && i == a.Count-1 {
			dst = append(dst, by.listClose...)
		}
		rest = rest[n:]
	}
	return dst, nil
}

// AppendBinary appends the sub-draws of the answer in the binary form, and reports whether the request named "times".
func (a *Answer) AppendBinary(dst []byte) (out []byte, listed bool, err error) {
	rest := a.Records
	a.Wins, a.Unfunded = 0, 0
	for i := range a.Count {
		n, by, err := a.load(rest, i)
		if err != nil {
			return dst, false, err
		}
		dst = by.binary(dst, &a.draw)
		listed = a.record.Listed
		rest = rest[n:]
	}
	return dst, listed, nil
}

// AppendOne appends the first record of the answer as one object, also when it was part of a list: how a single draw is
// read later.
func (a *Answer) AppendOne(dst []byte) ([]byte, error) {
	_, by, err := a.load(a.Records, 0)
	if err != nil {
		return dst, err
	}
	return by.json(dst, &a.draw), nil
}

// Draw returns the record that was rendered last. It is valid until the answer is used again.
func (a *Answer) Draw() *engine.Record { return &a.record }

// load decodes record i of the answer, which stands at the head of b.
func (a *Answer) load(b []byte, i int) (int, *renderer, error) {
	n, err := engine.DecodeRecord(b, &a.record)
	if err != nil {
		return 0, nil, fmt.Errorf("render: record %d of %d at index %d: %w", i, a.Count, a.At.Index, err)
	}
	r := &a.record
	if r.Kind != engine.RecordDraw {
		return 0, nil, fmt.Errorf("render: the record at index %d, ordinal %d is not a draw", a.At.Index, int(a.At.Ordinal)+i)
	}
	if int(r.Renderer) >= len(renderers) || renderers[r.Renderer].json == nil {
		return 0, nil, fmt.Errorf("render: a record was made with renderer %d, which this release does not know: run the newer release", r.Renderer)
	}
	v := a.Campaign.VersionNumber(r.Version)
	if v == nil || r.Prize >= len(v.Prizes) {
		return 0, nil, fmt.Errorf("render: a record names version %d and prize %d of campaign %s, which are not known", r.Version, r.Prize, a.Campaign.ID())
	}
	a.draw = subdraw{
		ids: a.IDs, campaign: a.Campaign.ID(), version: v, record: r, public: a.Public, masked: a.Masked,
		at: engine.Location{Index: a.At.Index, Ordinal: a.At.Ordinal + uint16(i)},
	}
	if r.Prize != engine.NoPrize {
		a.Wins++
	}
	if len(r.Sections) > 0 {
		if m, _ := r.Pity(); m.Unfunded != 0 {
			a.Unfunded++
		}
	}
	return n, &renderers[r.Renderer], nil
}
