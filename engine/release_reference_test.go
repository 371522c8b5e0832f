package engine

import (
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// Faults in releases that the comparison with the reference engine found.

// What a pause held back is not released by ending the campaign in the pause.
func TestEndInAPauseReleasesNothing(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(dripping())
	x.walk(start+2*hourMilli, func() {})
	before := x.stockOf(c, "", "p")
	x.wantCode("pause", x.one(func(b *Batch) { b.AddControl(&Control{Campaign: 1, Action: ActionPause}) }), problem.OK)
	x.now = start + 5*hourMilli
	x.wantCode("end", x.one(func(b *Batch) { b.AddControl(&Control{Campaign: 1, Action: ActionEnd}) }), problem.OK)
	if now := x.stockOf(c, "", "p"); now != before {
		t.Errorf("ended in a pause: %+v became %+v", before, now)
	}
}

// A schedule that becomes live after one of its windows ended takes nothing that an earlier version gave.
func TestNewSchedulesExpireNothingOfBefore(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(dripping(func(v *Version) { v.Schedules[0].Windows = v.Schedules[0].Windows[:1] }))
	x.walk(start+2*hourMilli, func() {})
	x.wantBooks(c, "", "p", 100, 100, 0, 0)
	x.mustPublish(dripping(func(v *Version) { v.Schedules[0].Expire = true }))
	x.wantBooks(c, "", "p", 100, 100, 0, 0)
	x.walk(start+3*hourMilli, func() {})
	x.wantBooks(c, "", "p", 100, 0, 0, 100)
}

// Shares of a schedule are wins: a version that changes what a win takes would leave units that no instant releases.
func TestUnitsOfAWinStayUnderASchedule(t *testing.T) {
	x := newTable(t)
	x.mustPublish(dripping())
	x.walk(start+3*hourMilli, func() {})
	x.unchanged("other units", func() {
		x.wantCode("publish", x.publish(dripping(func(v *Version) { v.Prizes[0].Units = 2 })), problem.InvalidCampaign)
	})
	x.mustPublish(dripping(func(v *Version) { v.Prizes[0].Units, v.Schedules, v.Releases = 2, nil, nil }))
}
