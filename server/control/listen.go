package control

import (
	"log/slog"
	"net/http"
	"time"
)

// Limits of a connection.
const (
	headerTimeout  = 5 * time.Second
	requestTimeout = 30 * time.Second // from the first byte of a request to its last
	idleTimeout    = 60 * time.Second
	maxHeaderBytes = 8 << 10 // net/http adds 4 KiB of its own
)

// HTTPServer returns a server of the plane with its limits. It is not serving yet; the caller opens the listener, sets
// TLS and shuts it down.
func (p *Plane) HTTPServer() *http.Server {
	return &http.Server{
		Handler:           p,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		// Handlers set their own write deadlines: a profile runs for longer than an answer may take.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(p.Logger.Handler(), slog.LevelDebug),
	}
}
