package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// DrawRequest asks for a draw. Campaign, User and Key are needed.
type DrawRequest struct {
	Campaign string
	User     string
	Key      Key // made before the first send: NewKey, or an id of yours. With a Ticket it may be left out

	Times      int            // sub-draws, 1 to 10, all or none; 0 for one
	Channel    string         // where the campaign has channels
	Device     string         // for caps by device
	IP         string         // for caps by address
	Attributes map[string]any // facts for the audience's rule and for caps: whole numbers, strings, booleans
	Ticket     string         // a signed ticket, for callers without an API key
	Expect     *Expect

	// Again says that a call before this one may have been decided: one that returned ErrUnknownOutcome, or of a process that
	// ended. Then a node that has not applied that yet does not deny this one from what it knows.
	Again bool
}

// Expect demands the version or the price that the player saw; else ErrVersionChanged. 0 stands for any.
type Expect struct {
	Version  uint32 `json:"version,omitempty"`
	MaxPrice uint32 `json:"max_price,omitempty"`
}

// Drawn is what was decided under a key. Its Draw is the only one, or the first of several.
type Drawn struct {
	Draw
	Draws    []Draw // every sub-draw, in order
	Replayed bool   // it was decided before, under this key
	Index    uint64 // the log's entry that decided; 0 where the server does not say
}

// Draw is one decision.
type Draw struct {
	ID        string      `json:"draw"`
	Campaign  string      `json:"campaign"`
	Version   uint32      `json:"version"`
	User      string      `json:"user"`
	Seq       uint64      `json:"seq"` // +1 per record of the campaign; 0 to a ticket
	At        time.Time   `json:"at"`
	Session   string      `json:"session"`
	Channel   string      `json:"channel"`
	Outcome   string      `json:"outcome"` // "win" or "miss"
	Prize     *Prize      `json:"prize"`   // of a win
	Extra     *Prize      `json:"extra"`   // what a pity gave on top
	Slot      *int        `json:"slot"`    // where a wheel stops
	Hold      string      `json:"hold"`    // of a prize that is awarded as a hold
	Award     *AwardState `json:"award"`   // what was done to it since; in reads only
	Remaining Remaining   `json:"remaining"`
}

// Won reports whether the draw was a win.
func (d *Draw) Won() bool { return d.Outcome == "win" }

// Prize is what was won.
type Prize struct {
	ID      string            `json:"id"`
	Kind    string            `json:"kind"`
	Title   map[string]string `json:"title"`   // by language
	Amount  int64             `json:"amount"`  // minor units
	Chances int64             `json:"chances"` // of the kind "chance"
	Code    string            `json:"code"`
}

// AwardState is what was done to a draw after it was decided, or where the award of a win stands whose prize is delivered in
// steps: won, claimed, delivering, delivered, payout_failed, expired or voided.
type AwardState struct {
	State     string    `json:"state"`
	Fault     string    `json:"fault"` // of voided
	At        time.Time `json:"at"`
	ExpiresAt time.Time `json:"expires_at"` // of won: unless it is claimed before; zero for never
	Frozen    bool      `json:"frozen"`     // a draw of the user was voided by the fault of abuse
}

// Remaining is what the user has left.
type Remaining struct {
	Chances *int64           `json:"chances"` // where the campaign counts them
	Caps    map[string]int64 `json:"caps"`
}

func (r *DrawRequest) op() string { return "draw " + r.Campaign + "/" + r.User }

// check refuses what could not be decided, or not found again.
func (r *DrawRequest) check() error {
	switch {
	case !plain(r.Campaign):
		return fmt.Errorf("drawd: draw: %w: campaign %q", ErrInvalidField, r.Campaign)
	case !plain(r.User):
		return fmt.Errorf("drawd: draw: %w: user %q", ErrInvalidField, r.User)
	case r.Key == "" && r.Ticket != "":
		return nil // its nonce is the key
	}
	if err := r.Key.check(); err != nil {
		return fmt.Errorf("drawd: %s: %w", r.op(), err)
	}
	return nil
}

// appendJSON appends the members of the request's body, after those that are there.
func (r *DrawRequest) appendJSON(dst []byte) ([]byte, error) {
	dst = append(append(append(dst, `"user":"`...), r.User...), '"')
	if r.Times != 0 {
		dst = strconv.AppendInt(append(dst, `,"times":`...), int64(r.Times), 10)
	}
	for _, f := range [...]struct{ name, value string }{
		{`,"channel":`, r.Channel}, {`,"device":`, r.Device}, {`,"ip":`, r.IP}, {`,"ticket":`, r.Ticket},
	} {
		if f.value == "" {
			continue
		}
		text, err := json.Marshal(f.value)
		if err != nil {
			return nil, err
		}
		dst = append(append(dst, f.name...), text...)
	}
	if len(r.Attributes) > 0 {
		text, err := json.Marshal(r.Attributes)
		if err != nil {
			return nil, fmt.Errorf("drawd: %s: %w: attributes: %w", r.op(), ErrInvalidField, err)
		}
		dst = append(append(dst, `,"attributes":`...), text...)
	}
	if r.Expect != nil {
		text, err := json.Marshal(r.Expect)
		if err != nil {
			return nil, err
		}
		dst = append(append(dst, `,"expect":`...), text...)
	}
	return dst, nil
}

// Draw decides a draw, once for its key: asked again with the same request it returns the first answer, Replayed. A miss is
// an answer, not an error; a *Denial says that nothing was consumed, and why.
func (c *Client) Draw(ctx context.Context, r DrawRequest) (*Drawn, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	body, err := r.appendJSON([]byte{'{'})
	if err != nil {
		return nil, err
	}
	k := call{
		op: r.op(), method: http.MethodPost, path: "/v1/campaigns/" + r.Campaign + "/draws", body: append(body, '}'), content: typeJSON,
		key: r.Key, repeat: keyed, again: r.Again,
	}
	a, err := c.do(ctx, &k)
	if err != nil {
		return nil, err
	}
	return readDrawn(&k, a)
}

const typeJSON = "application/json"

// readDrawn reads the answer of a draw.
func readDrawn(k *call, a *answer) (*Drawn, error) {
	d, err := decodeDrawn(a.body)
	if err != nil {
		return nil, k.unread(err)
	}
	d.Replayed = a.replayed()
	d.Index, _ = strconv.ParseUint(a.header.Get("Drawd-Index"), 10, 64)
	return d, nil
}

// unread is the error of a good answer that cannot be read: something was decided, and nobody here knows what.
func (k *call) unread(err error) error {
	u := &Unanswered{Op: k.op, Key: k.key, Effect: EffectUnknown, Attempts: 1, Err: fmt.Errorf("the answer cannot be read: %w", err)}
	if k.repeat == reads {
		u.Effect = EffectNone
	}
	return u
}

// decodeDrawn reads a draw, or {"draws":[…]}.
func decodeDrawn(text []byte) (*Drawn, error) {
	var w struct {
		Draw
		Draws []Draw `json:"draws"`
	}
	if err := json.Unmarshal(text, &w); err != nil {
		return nil, err
	}
	if w.Draws == nil {
		w.Draws = []Draw{w.Draw}
	}
	for i := range w.Draws {
		if w.Draws[i].ID == "" || w.Draws[i].Outcome == "" {
			return nil, fmt.Errorf("no draw in %.64q", text)
		}
	}
	if len(w.Draws) == 0 {
		return nil, fmt.Errorf("no draws in %.64q", text)
	}
	return &Drawn{Draw: w.Draws[0], Draws: w.Draws}, nil
}
