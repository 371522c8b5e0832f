package engine

import (
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
)

// CodeSealer seals the codes that prizes hand out, before they are proposed: the log, the snapshots and the records never
// hold one in the clear. Its keys are derived from the cluster key.
type CodeSealer struct {
	aead cipher.AEAD
	mac  [32]byte
}

// NewCodeSealer returns the sealer of a cluster.
func NewCodeSealer(clusterKey [32]byte) *CodeSealer {
	return &CodeSealer{
		aead: newSealer(sha256.Sum256(append([]byte("drawd codes 1"), clusterKey[:]...))),
		mac:  sha256.Sum256(append([]byte("drawd code prints 1"), clusterKey[:]...)),
	}
}

// codeContext binds a code to its prize: sealed for one it does not open for another.
func codeContext(campaign, prize string) []byte { return []byte(campaign + "/" + prize) }

// Seal seals a code of 1 to MaxCodeBytes. The nonce comes from crypto/rand.
func (s *CodeSealer) Seal(campaign, prize string, nonce [nonceBytes]byte, code []byte) SealedCode {
	m := hmac.New(sha256.New, s.mac[:])
	m.Write(codeContext(campaign, prize))
	m.Write([]byte{0})
	m.Write(code)
	return SealedCode{Print: Key(m.Sum(nil)), Sealed: s.aead.Seal(nonce[:], nonce[:], code, codeContext(campaign, prize))}
}

// Open opens a sealed code.
func (s *CodeSealer) Open(campaign, prize string, sealed []byte) (code []byte, ok bool) {
	if len(sealed) < sealedCodeLeast {
		return nil, false
	}
	code, err := s.aead.Open(nil, sealed[:nonceBytes], sealed[nonceBytes:], codeContext(campaign, prize))
	return code, err == nil
}

// OpenCode opens a code that a draw handed out.
func (e *Engine) OpenCode(campaign, prize string, sealed []byte) (code []byte, ok bool) {
	return e.codes.Open(campaign, prize, sealed)
}
