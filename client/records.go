package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// RecordsRequest asks for the records of the namespace, in log order.
type RecordsRequest struct {
	Since    string // a Record.Cursor; "" for the beginning
	Campaign string // only its records; "" for all
	Page     int    // records in one request; 0 for the server's default
	Follow   bool   // do not end at the last record: wait for the next
}

// Record is one thing that happened.
type Record struct {
	Kind     string    `json:"kind"` // "draw", "publish", "adjust", …
	Index    uint64    `json:"index"`
	Ordinal  uint32    `json:"ordinal"` // within the entry; Index and Ordinal are the record's identity
	Campaign string    `json:"campaign"`
	Seq      uint64    `json:"seq"`
	At       time.Time `json:"at"`
	Draw     string    `json:"draw"`
	User     string    `json:"user"`
	Outcome  string    `json:"outcome"`
	Prize    string    `json:"prize"`
	Amount   int64     `json:"amount"`
	Actor    string    `json:"actor"`
	Reason   string    `json:"reason"`

	// Cursor is where to go on when this record has been handled. Records are read in pages, so that some that were handled may
	// come again, and none is missed.
	Cursor string          `json:"-"`
	JSON   json.RawMessage `json:"-"` // all of it
}

// UnmarshalJSON keeps all of the record.
func (r *Record) UnmarshalJSON(text []byte) error {
	type plain Record
	if err := json.Unmarshal(text, (*plain)(r)); err != nil {
		return err
	}
	r.JSON = append(r.JSON[:0], text...)
	return nil
}

// recordsWait is how long the server is asked to wait for a record: what it allows.
const recordsWait = 10 * time.Second

// Records goes through the records of the namespace. Without Follow it ends with the last one; with it, with the context, whose error
// is then the last that is yielded. Any error ends it; go on with the Cursor of the last record.
func (a *Admin) Records(ctx context.Context, r RecordsRequest) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		cursor := r.Since
		for {
			items, next, err := a.page(ctx, r, cursor)
			if err != nil {
				yield(Record{}, err)
				return
			}
			for i := range items {
				items[i].Cursor = cursor
				if i == len(items)-1 {
					items[i].Cursor = next
				}
				if !yield(items[i], nil) {
					return
				}
			}
			if len(items) == 0 && next == cursor && !r.Follow {
				return
			}
			cursor = next
		}
	}
}

func (a *Admin) page(ctx context.Context, r RecordsRequest, cursor string) ([]Record, string, error) {
	q := url.Values{}
	put := func(name, value string) {
		if value != "" && value != "0" {
			q.Set(name, value)
		}
	}
	put("since", cursor)
	put("campaign", r.Campaign)
	put("limit", number(r.Page))
	k := call{op: "records", admin: true, method: http.MethodGet, path: "/admin/v1/records", repeat: reads}
	if r.Follow {
		put("wait_ms", number(recordsWait.Milliseconds()))
		k.waits = recordsWait
	}
	k.query = q.Encode()
	var page struct {
		Items      []Record `json:"items"`
		NextCursor string   `json:"next_cursor"`
	}
	_, err := a.c.decode(ctx, &k, &page)
	return page.Items, page.NextCursor, err
}
