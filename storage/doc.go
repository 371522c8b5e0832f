// Package storage keeps drawd's bytes on disk. It is the only importer of Pebble.
package storage
