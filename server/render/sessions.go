package render

import "github.com/drawd/drawd/engine"

// appendRound1 appends the session and the channel that a draw was made in, where its version has any. Part of renderer 1:
// records of before have neither.
func appendRound1(dst []byte, s *subdraw) []byte {
	if id := sessionID(s.version, s.record); id != "" {
		dst = append(append(append(dst, `,"session":"`...), id...), '"')
	}
	if len(s.version.Channels) > 0 {
		dst = AppendString(append(dst, `,"channel":`...), s.record.Channel)
	}
	return dst
}

// sessionID returns the id of a draw's session, empty for none.
func sessionID(v *engine.Version, r *engine.Record) string {
	if v == nil || r.Session == 0 || int(r.Session) > len(v.Sessions) {
		return ""
	}
	return v.Sessions[r.Session-1].ID
}

// maxShownSessions bounds how many sessions a page shows: those that are not over, the next ones first.
const maxShownSessions = 32

// appendSessions appends the sessions and channels of a campaign's page.
func appendSessions(dst []byte, p *Page) []byte {
	v := p.Version
	if len(v.Sessions) > 0 {
		dst = append(dst, `,"sessions":[`...)
		n := 0
		for i := range v.Sessions {
			s := &v.Sessions[i]
			if s.EndsAt <= p.Now && s.EndsAt != v.EndsAt || n == maxShownSessions {
				continue
			}
			if n > 0 {
				dst = append(dst, ',')
			}
			dst = appendSession(dst, v, i)
			n++
		}
		dst = append(dst, ']')
	}
	if len(v.Channels) > 0 {
		dst = append(dst, `,"channels":[`...)
		for i := range v.Channels {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendChannel(dst, v, &v.Channels[i])
		}
		dst = append(dst, ']')
	}
	return dst
}

func appendSession(dst []byte, v *engine.Version, session int) []byte {
	s := &v.Sessions[session]
	dst = AppendString(append(dst, `{"id":`...), s.ID)
	if len(s.Title) > 0 {
		dst = append(append(dst, `,"title":`...), s.Title...)
	}
	dst = AppendTime(append(dst, `,"starts_at":`...), s.StartsAt)
	dst = AppendTime(append(dst, `,"ends_at":`...), s.EndsAt)
	dst = append(dst, `,"prizes":[`...)
	n := 0
	for _, z := range v.SetOf(session) {
		if p := &v.Prizes[z.Prize]; !p.Unlisted {
			dst = appendID(dst, n, p.ID)
			n++
		}
	}
	return append(dst, `]}`...)
}

// appendChannel appends a channel: what can be won there, and the wheel. The miss has no prize.
func appendChannel(dst []byte, v *engine.Version, c *engine.Channel) []byte {
	dst = AppendString(append(dst, `{"id":`...), c.ID)
	dst = append(dst, `,"prizes":[`...)
	n := 0
	for i := range v.Prizes {
		if _, here := c.WeightIn(int16(i), 0); here && !v.Prizes[i].Unlisted {
			dst = appendID(dst, n, v.Prizes[i].ID)
			n++
		}
	}
	dst = append(dst, `],"slots":[`...)
	n = 0
	for _, s := range c.Slots {
		if s.Prize != engine.NoPrize && v.Prizes[s.Prize].Unlisted {
			continue
		}
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = appendInt(append(dst, `{"slot":`...), int64(s.Slot))
		if s.Prize != engine.NoPrize {
			dst = AppendString(append(dst, `,"prize":`...), v.Prizes[s.Prize].ID)
		}
		dst = append(dst, '}')
		n++
	}
	return append(dst, `]}`...)
}

// appendID appends the n-th id of a list.
func appendID(dst []byte, n int, id string) []byte {
	if n > 0 {
		dst = append(dst, ',')
	}
	return AppendString(dst, id)
}
