package control

import (
	"encoding/hex"
	"net/http"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/server/render"
)

// maxReleasePage bounds a page of release windows: each may have 4096 instants.
const maxReleasePage = 24

// windowView is a window of a release schedule; instants once the campaign is over.
type windowView struct {
	Prize      string  `json:"prize"`
	Session    string  `json:"session,omitempty"`
	StartsAt   stamp   `json:"starts_at"`
	EndsAt     stamp   `json:"ends_at"`
	Units      int64   `json:"units"`
	AfterPause bool    `json:"after_pause,omitempty"`
	Instants   []stamp `json:"instants,omitempty"`
}

// getRelease tells the release schedules: windows and units at any time, the instants and what they were drawn from once
// the campaign is over.
func (p *Plane) getRelease(x *exchange) *render.Problem {
	page, refused := x.page()
	if refused != nil {
		return refused
	}
	page.limit = min(page.limit, maxReleasePage)
	c, refused := x.campaign()
	if refused != nil {
		return refused
	}
	v := c.Version()
	seed, revealed := c.ReleaseSeed()
	out := struct {
		Campaign string       `json:"campaign"`
		Version  uint32       `json:"version"`
		Hash     string       `json:"hash,omitempty"`
		Revealed bool         `json:"revealed"`
		Salt     string       `json:"salt,omitempty"`
		Seed     string       `json:"seed,omitempty"`
		Items    []windowView `json:"items"`
		Next     string       `json:"next_cursor"`
	}{Campaign: c.ID(), Version: v.Number, Revealed: revealed, Items: []windowView{}}
	if hash, ok := c.ReleaseHash(v); ok {
		out.Hash = hex.EncodeToString(hash[:])
	}
	if revealed {
		out.Salt, out.Seed = hex.EncodeToString(v.Salt[:]), hex.EncodeToString(seed[:])
	}
	number := uint32(0)
	c.ReleaseWindows(0, func(w *engine.ReleasedWindow) bool {
		if number++; page.take(sortable(number)) {
			out.Items = append(out.Items, viewWindow(v, w, revealed))
		}
		return !page.more
	})
	out.Next = page.next()
	return x.answer(http.StatusOK, out)
}

func viewWindow(v *engine.Version, w *engine.ReleasedWindow, reveal bool) windowView {
	view := windowView{
		Prize: v.Prizes[w.Prize].ID, StartsAt: stamp(w.From), EndsAt: stamp(w.To), Units: int64(w.Units), AfterPause: w.MakeUp,
	}
	if w.Session >= 0 {
		view.Session = v.Sessions[w.Session].ID
	}
	if reveal {
		for _, at := range w.Instants() {
			view.Instants = append(view.Instants, stamp(at))
		}
	}
	return view
}
