package render

// Codes opens the sealed codes of records. *engine.Engine does.
type Codes interface {
	OpenCode(campaign, prize string, sealed []byte) (code []byte, ok bool)
}

// appendCode1 adds the code that a win handed out to its prize, which is a JSON object at the end of dst: the shared one of
// the version, or the unique one of the record.
func (s *subdraw) appendCode1(dst []byte, prize int, extra bool) []byte {
	k, ok := s.version.CodesOf(prize)
	if !ok {
		return dst
	}
	code := []byte(k.Shared)
	if k.Shared == "" {
		first, second := s.record.Codes()
		sealed := first
		if extra {
			sealed = second
		}
		opener, able := s.ids.(Codes)
		if !able || len(sealed) == 0 {
			return dst
		}
		if code, ok = opener.OpenCode(s.campaign, s.version.Prizes[prize].ID, sealed); !ok {
			return dst // sealed under another cluster's key: the node does not start with one
		}
	}
	dst = AppendString(append(dst[:len(dst)-1], `,"code":`...), code)
	return append(dst, '}')
}
