package drawd

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/drawd/drawd/engine"
)

// Cursor is a place in the records. The zero Cursor is before all of them.
type Cursor struct{ at engine.Location }

// String returns the cursor as text, for ParseCursor.
func (c Cursor) String() string {
	return strconv.FormatUint(uint64(c.at.Index), 10) + "." + strconv.FormatUint(uint64(c.at.Ordinal), 10)
}

// ParseCursor reads a cursor that String returned.
func ParseCursor(s string) (Cursor, error) {
	index, ordinal, ok := strings.Cut(s, ".")
	i, err1 := strconv.ParseUint(index, 10, 64)
	o, err2 := strconv.ParseUint(ordinal, 10, 16)
	c := Cursor{engine.Location{Index: engine.LogIndex(i), Ordinal: uint16(o)}}
	if !ok || err1 != nil || err2 != nil || c.String() != s {
		return Cursor{}, fmt.Errorf("drawd: %q is not a cursor", s)
	}
	return c, nil
}

// Record is one thing that happened.
type Record struct {
	Kind     engine.RecordKind
	At       time.Time
	Campaign string  // empty for what concerns none
	Draw     Outcome // of engine.RecordDraw

	// Of everything else; what they say is told at engine.Record.
	Name, Actor, Reason string
	Delta, Total        int64
}

// MaxRecords bounds one page of Records.
const MaxRecords = 1000

// Records returns up to limit records from a cursor on, in the order in which they were decided, and the cursor behind them:
// whoever goes on from there misses nothing and gets nothing twice. Fewer, or none, means that there are no more yet. In
// memory a cursor before the oldest record that is kept is ErrRecordGone.
func (db *DB) Records(since Cursor, limit int) ([]Record, Cursor, error) {
	if limit < 1 || limit > MaxRecords {
		return nil, since, invalid("the limit is %d; it must be 1 to %d", limit, MaxRecords)
	}
	var all []Record
	var fault error
	var r engine.Record
	next := since
	err := db.log.scan(since.at, func(at engine.Location, encoded []byte) bool {
		if len(all) == limit {
			return false
		}
		if _, fault = engine.DecodeRecord(encoded, &r); fault != nil {
			return false
		}
		next = Cursor{engine.Location{Index: at.Index, Ordinal: at.Ordinal + 1}}
		var one Record
		if one, fault = db.recordOf(at, &r); fault != nil {
			return false
		}
		all = append(all, one)
		return true
	})
	if fault != nil {
		err = fmt.Errorf("drawd: the record at index %d, ordinal %d: %w", next.at.Index, next.at.Ordinal, fault)
	}
	if err != nil {
		return nil, since, err
	}
	return all, next, nil
}

func (db *DB) recordOf(at engine.Location, r *engine.Record) (Record, error) {
	one := Record{
		Kind: r.Kind, At: timeOf(r.At), Name: string(r.Name), Actor: string(r.Actor), Reason: string(r.Reason),
		Delta: r.Delta, Total: int64(r.Total),
	}
	if r.Campaign == 0 {
		return one, nil
	}
	from, ok := db.engine.CampaignByRef(r.Campaign)
	if !ok {
		return one, fmt.Errorf("campaign %d is not known", r.Campaign)
	}
	c := &Campaign{db, from}
	one.Campaign = c.ID()
	if r.Kind != engine.RecordDraw {
		return one, nil
	}
	one.Draw.User = string(r.User)
	return one, c.tell(&one.Draw, at, r)
}
