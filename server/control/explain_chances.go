package control

import (
	"fmt"
	"strings"

	"github.com/drawd/drawd/engine"
)

// sayChances tells what the draw cost, and from where the chances came.
func (d *draw) sayChances(s *step) {
	m, ok := d.record.Chances()
	switch {
	case !ok || m.Price == 0:
		s.Says = "a draw costs nothing"
		return
	case m.Mode == engine.ChancesFree:
		s.Says = fmt.Sprintf("a draw cost %d of the host's own wallet; drawd takes nothing", m.Price)
		s.Facts = map[string]any{"price": m.Price}
		return
	}
	var from []string
	n, spent := m.Spent()
	for i := range n {
		source, chances := spent(i)
		name := d.version.ChanceSource(source)
		if name == "" {
			name = "several sources"
		}
		from = append(from, fmt.Sprintf("%d of %s", chances, name))
	}
	s.Says = fmt.Sprintf("the draw cost %d: %s; %d were left", m.Price, strings.Join(from, ", "), m.Remaining)
	s.Facts = map[string]any{"price": m.Price, "remaining": m.Remaining}
	n, won := m.Won()
	for i := range n {
		milestone, chances := won(i)
		what := "the prize"
		if milestone >= 0 && milestone < len(d.version.Chances.Milestones) {
			what = "milestone " + d.version.Chances.Milestones[milestone].ID
		}
		s.Says += fmt.Sprintf("; %s gave %d", what, chances)
	}
}

// chanceFacts is what the user has, for the rung of chances.
func chanceFacts(u *engine.ChanceUse) map[string]any {
	return map[string]any{
		"price": u.Price, "spendable": u.Spendable, "remaining": u.Remaining, "granted": u.Sums.Granted, "consumed": u.Sums.Consumed,
		"expired": u.Sums.Expired, "revoked": u.Sums.Revoked, "debt": u.Sums.Debt,
	}
}
