package mtls

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// idPrefix stands before a node's id in its certificate's URI. It is in certificates that were issued: it never changes.
const idPrefix = "urn:drawd:node:"

// MaxIDBytes bounds a node's id.
const MaxIDBytes = 63

// ValidID reports whether id may name a node: letters, digits, ".", "_" and "-", beginning with a letter or digit.
func ValidID(id string) bool {
	if id == "" || len(id) > MaxIDBytes {
		return false
	}
	for i, c := range []byte(id) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && (i == 0 || c != '.' && c != '_' && c != '-') {
			return false
		}
	}
	return true
}

func idURI(id string) *url.URL {
	return &url.URL{Scheme: "urn", Opaque: strings.TrimPrefix(idPrefix, "urn:") + id}
}

// errNoNode is the fault of a certificate that our authority signed for something else.
var errNoNode = errors.New("the certificate names no node: issue it with `drawd cluster ca issue`")

// idOf returns the node that a certificate names. It must name exactly one.
func idOf(leaf *x509.Certificate) (string, error) {
	found := ""
	for _, u := range leaf.URIs {
		id, ours := strings.CutPrefix(u.String(), idPrefix)
		switch {
		case !ours:
		case !ValidID(id), found != "":
			return "", fmt.Errorf("%w (it has %q)", errNoNode, u)
		default:
			found = id
		}
	}
	if found == "" {
		return "", errNoNode
	}
	return found, nil
}
