package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/drawd/drawd/internal/failpoint"
)

// pointPatience is how long a node may take to come by a point under load.
const pointPatience = 20 * time.Second

// pointRow is a point and who dies there.
type pointRow struct {
	point failpoint.Name
	who   string
}

// Who dies at a point: the node that leads, another one, or one that votes because the leader was killed.
const (
	dyingLeader   = "the leader"
	dyingFollower = "a follower"
	dyingVoter    = "a voter"
)

// pointRows are all of them: first the leader at each point, then a follower at each point that it comes by as well.
func pointRows() (rows []pointRow) {
	for _, p := range failpoint.All() {
		switch p {
		case failpoint.StableWrite:
			rows = append(rows, pointRow{p, dyingVoter})
		default:
			rows = append(rows, pointRow{p, dyingLeader})
		}
	}
	for _, r := range rows {
		if r.who == dyingLeader {
			rows = append(rows, pointRow{r.point, dyingFollower})
		}
	}
	return rows
}

// points let a node die at a point of the code, one row of pointRows after the other.
func (n *nemesis) points(leader *mate) *injection {
	rows := pointRows()
	row := rows[n.report.Done/len(n.o.Faults)%len(rows)]
	m, down := leader, []*mate{leader}
	if row.who != dyingLeader {
		m = n.crew.followers(leader, n.rng)[0]
		down = []*mate{m}
	}
	x := &injection{name: fmt.Sprintf("SIGKILL of %s at %s", row.who, row.point), kind: FaultPoint, kills: 1, hold: pointPatience}
	after := func() {}
	if row.who == dyingVoter {
		x.kills, down, after = 2, []*mate{leader, m}, leader.kill
	}
	x.run = func(ctx context.Context) error {
		if err := n.dieAt(ctx, m, row.point, after); err != nil {
			return err
		}
		return n.bringUp(ctx, down, x.name)
	}
	return x
}

// dieAt arms a point in a node's process, calls then, and waits for its death.
func (n *nemesis) dieAt(ctx context.Context, m *mate, point failpoint.Name, then func()) error {
	c := m.ending()
	file := filepath.Join(os.Getenv(failpoint.Variable), strconv.Itoa(c.cmd.Process.Pid))
	if err := os.WriteFile(file, []byte(point), 0o600); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	defer os.Remove(file)
	then()
	patience := time.NewTimer(pointPatience)
	defer patience.Stop()
	select {
	case <-c.ended:
	case <-ctx.Done():
		return ctx.Err()
	case <-patience.C:
		n.report.NotRun = append(n.report.NotRun, fmt.Sprintf("round %d: %s did not come by %s in %v", n.report.Done+1, m.id, point, pointPatience))
	}
	m.kill()
	return nil
}

// noPoints says why no point can be armed; empty when the directory for it is there.
func noPoints() string {
	if !failpoint.Built {
		return "points of the code need a drawd that was built with -tags failpoints"
	}
	if os.Getenv(failpoint.Variable) == "" {
		return "points are armed in a directory that " + failpoint.Variable + " must name"
	}
	return ""
}
