package control

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// Backups is the node's way to write a backup of itself.
type Backups interface {
	// Backup writes everything that is applied at the moment of the call. It ends with ctx.
	Backup(ctx context.Context, w io.Writer) error
}

// backupStall is how long a client may take for each piece of a backup.
const backupStall = 30 * time.Second

// backup streams a backup of this node. It is whole only with its last frame: when something goes wrong on the way, the connection
// is cut.
func (p *Plane) backup(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	if p.Backups == nil {
		return refusal(problem.NotFound, "This program writes no backups.")
	}
	p.Logger.Info("a backup is asked for", "actor", x.grant.Actor())
	w := backupWriter{exchange: x}
	switch err := p.Backups.Backup(x.request.Context(), &w); {
	case err == nil:
		return nil
	case w.written == 0:
		return x.undecided(err)
	default:
		p.Logger.Error("a backup was cut off", "bytes", w.written, "error", err)
		panic(http.ErrAbortHandler)
	}
}

// backupWriter begins the answer with the first byte, so that a refusal can still be told before it.
type backupWriter struct {
	exchange *exchange
	written  int64
}

func (w *backupWriter) Write(b []byte) (int, error) {
	x := w.exchange
	if w.written == 0 {
		h := x.Header()
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Cache-Control", "no-store")
	}
	x.answerWithin(backupStall)
	n, err := x.Write(b)
	w.written += int64(n)
	return n, err
}
