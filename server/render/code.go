package render

// Codes opens the sealed codes of records. *engine.Engine does.
type Codes interface {
	OpenCode(campaign, prize string, sealed []byte) (code []byte, ok bool)
}

// appendCode1 adds the code that a win handed out to its prize, which is a JSON object at the end of dst.
func (s *subdraw) appendCode1(dst []byte, prize int, extra bool) []byte {
	if _, some := s.version.CodesOf(prize); some && s.masked {
		return append(dst[:len(dst)-1], `,"code_masked":true}`...)
	}
	code, ok := s.code(prize, extra)
	if !ok {
		return dst
	}
	dst = AppendString(append(dst[:len(dst)-1], `,"code":`...), code)
	return append(dst, '}')
}

// code returns the code that a win of a prize handed out: the shared one of the version, or the unique one of the record;
// none for who may not see codes.
func (s *subdraw) code(prize int, extra bool) (code []byte, ok bool) {
	k, ok := s.version.CodesOf(prize)
	if !ok || s.masked {
		return nil, false
	}
	if k.Shared != "" {
		return []byte(k.Shared), true
	}
	sealed, second := s.record.Codes()
	if extra {
		sealed = second
	}
	opener, able := s.ids.(Codes)
	if !able || len(sealed) == 0 {
		return nil, false
	}
	// It does not open when it was sealed under another cluster's key; a node does not start with one.
	return opener.OpenCode(s.campaign, s.version.Prizes[prize].ID, sealed)
}
