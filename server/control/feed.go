package control

import (
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// Bounds of the feed.
const (
	defaultFeed = 1000
	maxFeed     = 10000
	maxWait     = 10 * time.Second
	// maxScan bounds the records that one request looks at, so that a filter that meets little cannot read the whole log.
	maxScan = 100_000
	// lookEvery is how often a waiting request looks for new entries.
	lookEvery = 5 * time.Millisecond
)

// A cursor is where the next record would stand: a version, the index and the ordinal, in base64.
const (
	cursorForm  = 1
	cursorBytes = 1 + 8 + 2
)

func encodeCursor(l engine.Location) string {
	b := []byte{cursorForm}
	b = binary.BigEndian.AppendUint64(b, uint64(l.Index))
	b = binary.BigEndian.AppendUint16(b, l.Ordinal)
	return base64.RawURLEncoding.EncodeToString(b)
}

func decodeCursor(s string) (l engine.Location, ok bool) {
	if s == "" {
		return engine.Location{}, true
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != cursorBytes || b[0] != cursorForm {
		return engine.Location{}, false
	}
	return engine.Location{Index: engine.LogIndex(binary.BigEndian.Uint64(b[1:])), Ordinal: binary.BigEndian.Uint16(b[9:])}, true
}

// following is where the record behind l would stand.
func following(l engine.Location) engine.Location {
	if l.Ordinal++; l.Ordinal == 0 {
		l.Index++
	}
	return l
}

// feedPage is one page of the feed while it is made.
type feedPage struct {
	x     *exchange
	only  *engine.Campaign // nil for all
	limit int
	next  engine.Location
	lines bool // newline-delimited JSON

	body    []byte
	count   int
	scanned int
	fault   error
	record  engine.Record
}

func (p *Plane) feed(x *exchange) *render.Problem {
	page, wait, refused := x.readFeed()
	if refused != nil {
		return refused
	}
	if !page.lines {
		page.body = append(page.body, `{"items":[`...)
	}
	if refused := page.fill(wait); refused != nil {
		return refused
	}
	p.metrics.feed.Add(page.count)
	kind := typeJSON
	if page.lines {
		kind = typeLines
		page.body = append(render.AppendString(append(page.body, `{"next_cursor":`...), encodeCursor(page.next)), "}\n"...)
	} else {
		page.body = append(render.AppendString(append(page.body, `],"next_cursor":`...), encodeCursor(page.next)), "}\n"...)
	}
	x.answerBytes(http.StatusOK, kind, page.body)
	return nil
}

// readFeed reads the request.
func (x *exchange) readFeed() (*feedPage, time.Duration, *render.Problem) {
	q, refused := x.query("since", "limit", "campaign", "wait_ms")
	if refused != nil {
		return nil, 0, refused
	}
	page := &feedPage{x: x, limit: int(q.number("limit", defaultFeed, 1, maxFeed))}
	wait := time.Duration(q.number("wait_ms", 0, 0, maxWait.Milliseconds())) * time.Millisecond
	next, ok := decodeCursor(q.values.Get("since"))
	if !ok {
		q.fault("since", "pattern", "is not a cursor that this feed gave")
	}
	page.next = next
	if refused := q.refusal(); refused != nil {
		return nil, 0, refused
	}
	switch accepts(x.request, typeJSON, typeLines) {
	case typeLines:
		page.lines = true
	case "":
		return nil, 0, refusal(problem.NotAcceptable, "There are "+typeJSON+" and "+typeLines+".")
	}
	if id := q.values.Get("campaign"); q.values.Has("campaign") {
		if !x.grant.AllowsCampaign([]byte(id)) {
			return nil, 0, refusal(problem.Forbidden, "The key is limited to other campaigns.")
		}
		c, refused := x.grant.Campaign([]byte(id))
		if refused.Code != problem.OK {
			return nil, 0, x.refusedBy(&refused)
		}
		page.only = c
	}
	return page, wait, nil
}

// fill scans until the page is full, or there is something and nothing more, or the wait is over.
func (page *feedPage) fill(wait time.Duration) *render.Problem {
	x := page.x
	if wait > 0 {
		x.answerWithin(answerTime + wait)
	}
	over := time.NewTimer(wait)
	defer over.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		seen := x.plane.Engine.AppliedIndex()
		if err := x.plane.Records.Scan(uint64(page.next.Index), page.next.Ordinal, page.add); err != nil {
			return x.broken("the records cannot be read", err)
		}
		if page.fault != nil {
			return x.broken("a record cannot be decoded", page.fault)
		}
		if page.count > 0 || page.scanned >= maxScan || wait == 0 {
			return nil
		}
		for x.plane.Engine.AppliedIndex() == seen {
			select {
			case <-over.C:
				return nil
			case <-x.request.Context().Done():
				return nil // the client went away, or the node is shutting down: an empty page is true
			case <-look.C:
			}
		}
	}
}

// add puts one record on the page and reports whether more may come.
func (page *feedPage) add(index uint64, _ []byte, ordinal uint16, encoded []byte) bool {
	if page.count == page.limit || page.scanned >= maxScan {
		return false
	}
	page.scanned++
	at := engine.Location{Index: engine.LogIndex(index), Ordinal: ordinal}
	if _, err := engine.DecodeRecord(encoded, &page.record); err != nil {
		page.fault = err
		return false
	}
	page.next = following(at)
	c, visible := page.visible(&page.record)
	if !visible {
		return true
	}
	id, version := "", (*engine.Version)(nil)
	if c != nil {
		id, version = c.ID(), c.VersionNumber(page.record.Version)
	}
	if page.count > 0 && !page.lines {
		page.body = append(page.body, ',')
	}
	if ids := page.x.plane.Engine; render.IsUnits(page.record.Kind) {
		page.body = render.Units{IDs: ids, Pools: page.x.grant.Namespace}.AppendFeed(page.body, at, &page.record)
	} else {
		page.body = render.AppendFeedItem(page.body, ids, id, version, at, &page.record)
	}
	if page.lines {
		page.body = append(page.body, '\n')
	}
	page.count++
	return true
}

// visible reports whether the asker may see a record, and of which campaign it is.
func (page *feedPage) visible(r *engine.Record) (*engine.Campaign, bool) {
	grant := &page.x.grant
	if r.Campaign != 0 {
		c, found := page.x.plane.Engine.CampaignByRef(r.Campaign)
		if !found || page.only != nil && c != page.only {
			return nil, false
		}
		return c, c.Namespace() == grant.Namespace && grant.AllowsCampaign([]byte(c.ID()))
	}
	if page.only != nil || grant.Limited() {
		return nil, false
	}
	return nil, r.Namespace == grant.Namespace.Ref()
}
