package engine

import (
	"crypto/aes"
	"crypto/sha256"
	"crypto/subtle"
)

// Sizes of what SealRequest seals, and of the tag behind it.
const (
	RequestBlockBytes = aes.BlockSize
	RequestTagBytes   = 8
)

// requestKeys derives the keys of request ids from the replicated key of ids, so that every node, also after a restart,
// opens what any of them sealed: the block's and the tag's.
func (k *ids) requestKeys(key [16]byte) {
	sum := sha256.Sum256(append([]byte("drawd request id 1"), key[:]...))
	k.request = newBlock(sum[:16])
	k.tag = newBlock(sum[16:])
}

// SealRequest encrypts the last RequestBlockBytes of dst in place and appends their tag. It allocates nothing beyond dst.
func (e *Engine) SealRequest(dst []byte) []byte {
	k, at := e.ids.Load(), len(dst)-RequestBlockBytes
	k.request.Encrypt(dst[at:], dst[at:])
	dst = append(dst, dst[at:]...)
	k.tag.Encrypt(dst[at+RequestBlockBytes:], dst[at+RequestBlockBytes:])
	return dst[:at+RequestBlockBytes+RequestTagBytes]
}

// OpenRequest decrypts a sealed block with its tag in place. false means that no node of this cluster sealed it: an
// invented one passes once in 2^64.
func (e *Engine) OpenRequest(b []byte) bool {
	if len(b) != RequestBlockBytes+RequestTagBytes {
		return false
	}
	k := e.ids.Load()
	var tag [aes.BlockSize]byte
	k.tag.Encrypt(tag[:], b[:RequestBlockBytes])
	if subtle.ConstantTimeCompare(tag[:RequestTagBytes], b[RequestBlockBytes:]) != 1 {
		return false
	}
	k.request.Decrypt(b[:RequestBlockBytes], b[:RequestBlockBytes])
	return true
}
