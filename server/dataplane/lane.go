package dataplane

import (
	"strconv"

	"github.com/valyala/fasthttp"
)

// The short lane: a POST that has arrived whole is answered by its connection, inside the Read with which fasthttp waits
// for the next request. fasthttp sees neither the request nor the answer: it would parse a head that was parsed already,
// and build, reset and copy a response of which everything is known. What is rare (other methods, HTTP/1.0, 100-continue,
// bodies in parts, the end of a connection) goes through fasthttp, and so does everything while the server drains.
//
// Nothing can overtake: fasthttp has flushed its answer before it reads again, as it is handed one request at a time.
// Its Shutdown takes the connection for idle meanwhile and closes it; Close waits for the answer (conn.answering).

// short reports whether the request may take the short lane. taken is how much of its body has come.
func (h *head) short(taken int) bool {
	return h.method == methodPost && !h.http10 && !h.close && !h.expect && int64(taken) == h.length
}

// answer answers a request on the short lane. It reports false when nothing was done, because the server drains.
func (c *conn) answer(body []byte) bool {
	// Shutdown sets draining and then lets fasthttp close what looks idle; here it is the other way round. One of the two
	// sees the other.
	c.answering.Store(true)
	defer c.answering.Store(false)
	if c.server.draining.Load() {
		return false
	}
	c.answered = true
	if !c.server.handleShort(c, body) {
		c.ended = true
	}
	return true
}

// handleShort is handle without fasthttp. It reports whether the connection goes on.
func (s *Server) handleShort(c *conn, body []byte) (more bool) {
	w := s.workers.Get().(*worker)
	ctx := &w.own
	done := false
	defer func() {
		if !done {
			s.recovered(ctx, w, recover())
			_, _ = c.Write(appendAnswer(nil, &ctx.Response)) // the connection ends in any case
		}
	}()
	w.begin(ctx, c)
	w.short, w.came = true, body
	w.serve()
	more = w.write()
	w.endShort()
	done = true
	return more
}

// write sends the answer and reports whether the connection goes on.
func (w *worker) write() bool {
	r := &w.own.Response
	if w.filled || w.status == 0 {
		if w.status != 0 {
			r.SetStatusCode(w.status)
			r.Header.SetContentType(w.kind)
			w.buf = r.SwapBody(w.buf)
		}
		if w.index > 0 {
			r.Header.Set("Drawd-Index", strconv.FormatUint(w.index, 10))
		}
		if w.leader != "" {
			r.Header.Set("Drawd-Leader", w.leader)
		}
		w.out = appendAnswer(w.out[:0], r)
		more := !r.ConnectionClose()
		w.resetOwn()
		_, err := w.conn.Write(w.out)
		return more && err == nil
	}
	w.out = appendHead(w.out[:0], w.status, w.kind, len(w.buf))
	if w.index > 0 {
		w.out = append(w.out, "Drawd-Index: "...)
		w.out = strconv.AppendUint(w.out, w.index, 10)
		w.out = append(w.out, '\r', '\n')
	}
	if w.leader != "" {
		w.out = append(append(append(w.out, "Drawd-Leader: "...), w.leader...), '\r', '\n')
	}
	w.out = append(append(w.out, '\r', '\n'), w.buf...)
	_, err := w.conn.Write(w.out)
	return err == nil
}

// endShort gives back what the short lane used.
func (w *worker) endShort() {
	w.short, w.came, w.status, w.kind, w.index, w.leader = false, nil, 0, "", 0, ""
	w.end()
}

// resetOwn makes the response of the short lane as good as new.
func (w *worker) resetOwn() {
	r := &w.own.Response
	r.Reset()
	r.Header.DisableNormalizing()
	r.Header.SetNoDefaultContentType(true)
}

// appendHead appends a head but for the last empty line. status and kind are those of almost every answer, or not.
func appendHead(dst []byte, status int, kind string, length int) []byte {
	if status == 200 {
		dst = append(dst, "HTTP/1.1 200 OK\r\nContent-Type: "...)
	} else {
		dst = appendStatus(dst, status)
		dst = append(dst, "Content-Type: "...)
	}
	dst = append(dst, kind...)
	return appendLength(dst, length)
}

func appendStatus(dst []byte, status int) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	dst = append(dst, fasthttp.StatusMessage(status)...)
	return append(dst, '\r', '\n')
}

func appendLength(dst []byte, length int) []byte {
	dst = append(dst, "\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(length), 10)
	return append(dst, '\r', '\n')
}

// appendAnswer appends a response with all that a handler put into it.
func appendAnswer(dst []byte, r *fasthttp.Response) []byte {
	body := r.Body()
	dst = appendStatus(dst, r.StatusCode())
	for name, value := range r.Header.All() {
		dst = append(append(dst, name...), ':', ' ')
		dst = append(append(dst, value...), '\r', '\n')
	}
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	return append(append(dst, "\r\n\r\n"...), body...)
}
