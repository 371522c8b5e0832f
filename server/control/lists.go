package control

import (
	"fmt"
	"net/http"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// listed is whose list a request is about.
func (x *exchange) listed() (c *engine.Campaign, kind engine.ListKind, refused *render.Problem) {
	switch x.params.list {
	case "deny":
		kind = engine.ListDeny
	case "allow":
		kind = engine.ListAllow
	default:
		return nil, 0, refusal(problem.NotFound, "The lists are deny and allow.")
	}
	if x.params.campaign == "" {
		return nil, kind, nil
	}
	c, refused = x.campaign()
	return c, kind, refused
}

// listCommand makes the command for entries of the request's list.
func (x *exchange) listCommand(c *engine.Campaign, kind engine.ListKind, remove bool, entries []engine.ListEntry) *engine.PutList {
	put := &engine.PutList{Namespace: x.grant.Namespace.Ref(), List: kind, Remove: remove, Entries: entries, Actor: x.grant.Actor()}
	if c != nil {
		put.Campaign = c.Ref()
	}
	return put
}

// entry reads what is said of one user. Of a removal only the reason.
func (x *exchange) entry(f *fields, user string, kind engine.ListKind, remove bool) engine.ListEntry {
	keyer := x.grant.Namespace.Keyer()
	e := engine.ListEntry{User: keyer.User([]byte(user)), UserID: []byte(user), Reason: []byte(f.text("reason", 1, engine.MaxReasonBytes))}
	if remove {
		return e
	}
	f.asked["treatment"] = true
	if f.has("treatment") && kind == engine.ListDeny {
		switch t := f.text("treatment", 1, 16); t {
		case "", engine.Block.String():
		case engine.Restrict.String():
			e.Treatment = engine.Restrict
		default:
			f.fault("treatment", "unknown", "must be blocked or restricted")
		}
	} else if f.has("treatment") {
		f.fault("treatment", "unknown", "only entries of the deny list have a treatment")
	}
	if at := f.instant("expires_at"); !at.IsZero() {
		if !at.After(x.now) {
			f.fault("expires_at", "range", "must be in the future")
		}
		e.ExpiresAt = engine.UnixMilli(at.UnixMilli())
		if e.ExpiresAt >= 1<<47 {
			f.fault("expires_at", "range", "must be before the year 6429")
		}
	}
	return e
}

// listView is how a user stands on a list.
type listView struct {
	List      string `json:"list"`
	User      string `json:"user"`
	Campaign  string `json:"campaign,omitempty"`
	Treatment string `json:"treatment,omitempty"`
	ExpiresAt *stamp `json:"expires_at"`
	Expired   bool   `json:"expired"`
	Actor     string `json:"actor,omitempty"`
	Reason    string `json:"reason,omitempty"`
	At        *stamp `json:"at,omitempty"`
	Changed   *bool  `json:"changed,omitempty"`
}

func (p *Plane) putListed(x *exchange) *render.Problem { return x.changeListed(false) }

func (p *Plane) deleteListed(x *exchange) *render.Problem { return x.changeListed(true) }

// changeListed puts a user on a list, or takes him off. Both are naturally idempotent.
func (x *exchange) changeListed(remove bool) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	c, kind, refused := x.listed()
	if refused != nil {
		return refused
	}
	if !names.Subject(x.params.user) {
		return refusal(problem.NotFound, "No user can have such an id.")
	}
	f, refused := x.fields()
	if refused != nil {
		return refused
	}
	e := x.entry(f, x.params.user, kind, remove)
	if refused := f.done(); refused != nil {
		return refused
	}
	var b engine.Batch
	b.AddList(x.listCommand(c, kind, remove, []engine.ListEntry{e}))
	r, refused := x.decide(&b)
	if refused != nil {
		return refused
	}
	if remove {
		return x.answer(http.StatusOK, struct {
			List    string `json:"list"`
			User    string `json:"user"`
			Changed bool   `json:"changed"`
		}{kind.String(), x.params.user, !r.AlreadyLive})
	}
	v, refused := x.viewListed(c, kind)
	if refused == nil {
		changed := !r.AlreadyLive
		v.Changed = &changed
		refused = x.answer(http.StatusOK, v)
	}
	return refused
}

func (p *Plane) getListed(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	c, kind, refused := x.listed()
	if refused != nil {
		return refused
	}
	v, refused := x.viewListed(c, kind)
	if refused != nil {
		return refused
	}
	return x.answer(http.StatusOK, v)
}

// viewListed reads an entry, and from its record who made it and why.
func (x *exchange) viewListed(c *engine.Campaign, kind engine.ListKind) (*listView, *render.Problem) {
	ns := x.grant.Namespace
	for _, e := range ns.Listed(c, ns.Keyer().User([]byte(x.params.user))) {
		if e.List != kind {
			continue
		}
		v := &listView{List: kind.String(), User: x.params.user, Campaign: x.params.campaign}
		if kind == engine.ListDeny {
			v.Treatment = e.Treatment.String()
		}
		if e.ExpiresAt != 0 {
			at := stamp(e.ExpiresAt)
			v.ExpiresAt, v.Expired = &at, e.ExpiresAt <= x.plane.Engine.LogTime()
		}
		record, err := x.plane.Records.Records(nil, uint64(e.At.Index), e.At.Ordinal, 1)
		if err != nil {
			return v, nil // the record is in the log; its blob may still be on its way
		}
		var rec engine.Record
		if _, err := engine.DecodeRecord(record, &rec); err == nil {
			at := stamp(rec.At)
			v.Actor, v.Reason, v.At = string(rec.Actor), string(rec.Reason), &at
		}
		return v, nil
	}
	return nil, refusal(problem.NotFound, "The user is not on this list.")
}

// maxImportFaults is how many faults of an import are told.
const maxImportFaults = 20

// importList answers POST …/lists/{list}:import: NDJSON, one entry a line. All lines are read before the first is carried
// out; then they go to the log in commands of MaxListEntries. It may be repeated: what is done already changes nothing.
func (p *Plane) importList(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	c, kind, refused := x.listed()
	if refused != nil {
		return refused
	}
	body, _, refused := x.readBody(typeLines)
	if refused != nil {
		return refused
	}
	entries, refused := x.importEntries(body, kind)
	if refused != nil {
		return refused
	}
	changed := uint64(0)
	for rest := entries; len(rest) > 0; {
		n := min(len(rest), engine.MaxListEntries)
		var b engine.Batch
		b.AddList(x.listCommand(c, kind, false, rest[:n]))
		r, refused := x.decide(&b)
		if refused != nil {
			if done := len(entries) - len(rest); done > 0 { // the effect is no longer none, whatever the code says
				return refusal(problem.UnknownOutcome, fmt.Sprintf("It stopped after %d of %d entries (%s). Send all of them again: what is done already changes nothing.",
					done, len(entries), refused.Code))
			}
			return refused
		}
		changed += r.Value
		rest = rest[n:]
	}
	return x.answer(http.StatusOK, struct {
		List      string `json:"list"`
		Lines     int    `json:"lines"`
		Changed   uint64 `json:"changed"`
		Unchanged uint64 `json:"unchanged"`
	}{kind.String(), len(entries), changed, uint64(len(entries)) - changed})
}

func (x *exchange) importEntries(body []byte, kind engine.ListKind) (entries []engine.ListEntry, refused *render.Problem) {
	var faults []render.FieldError
	for number, line := range lines(body) {
		v, err := parseJSON(line)
		o, isObject := v.(object)
		if err != nil || !isObject {
			message := "must be a JSON object"
			if err != nil {
				message = err.Error()
			}
			faults = append(faults, render.FieldError{Code: problem.BadJSON.String(), Message: message, Line: number, Column: 1})
		} else {
			f := newFields(o)
			user := f.text("user", 1, engine.MaxUserBytes)
			if user != "" && !names.Subject(user) {
				f.fault("user", "pattern", "is no user id")
			}
			entries = append(entries, x.entry(f, user, kind, false))
			f.close()
			for _, fault := range *f.faults {
				fault.Line, fault.Column = number, 1
				faults = append(faults, fault)
			}
		}
		if len(faults) >= maxImportFaults {
			break
		}
	}
	if len(faults) > 0 {
		p := refusal(problem.InvalidField, "Nothing was imported: line "+itoa(faults[0].Line)+" is the first that is wrong.")
		p.Errors = faults
		return nil, p
	}
	if len(entries) == 0 {
		return nil, invalid("", "required", "there is no line")
	}
	return entries, nil
}
