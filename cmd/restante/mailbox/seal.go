package mailbox

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

const labelMail = "restante mail v1"

// seal seals an event for the record at an offset.
func (m *Mailbox) seal(offset int64, e *Event) ([]byte, error) {
	text, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("write the mail: %w", err)
	}
	plain := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(text)+len(e.Octets)), uint32(len(text)))
	plain = append(append(plain, text...), e.Octets...)
	nonce := make([]byte, chacha20poly1305.NonceSizeX, chacha20poly1305.NonceSizeX+len(plain)+chacha20poly1305.Overhead)
	_, _ = rand.Read(nonce) // never fails: the process ends instead
	return m.aead.Seal(nonce, nonce, plain, additional(offset)), nil
}

// unseal opens what seal sealed. It returns [ErrDamaged].
func (m *Mailbox) unseal(offset int64, payload []byte) (e Event, err error) {
	if len(payload) < chacha20poly1305.NonceSizeX {
		return Event{}, ErrDamaged
	}
	nonce, sealed := payload[:chacha20poly1305.NonceSizeX], payload[chacha20poly1305.NonceSizeX:]
	plain, err := m.aead.Open(nil, nonce, sealed, additional(offset))
	if err != nil || len(plain) < 4 {
		return Event{}, ErrDamaged
	}
	size := int64(binary.BigEndian.Uint32(plain))
	if size > int64(len(plain)-4) || json.Unmarshal(plain[4:4+size], &e) != nil {
		return Event{}, ErrDamaged
	}
	e.Octets = plain[4+size:]
	return e, nil
}

// additional binds an event to its place.
func additional(offset int64) []byte {
	return binary.BigEndian.AppendUint64([]byte(labelMail+"\x00"), uint64(offset))
}
