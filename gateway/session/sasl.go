package session

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-sasl"

	"github.com/restante/restante/gateway/nntp"
)

// maxSASLLine is the longest line of a SASL exchange, in octets with CRLF: room
// for three times the 255 octets that RFC 4616, Section 2 has a server take, in
// base64, and for long passphrases.
const maxSASLLine = 2048

// authinfoSASL logs in with the mechanism PLAIN (RFC 4643, Section 2.4, and RFC
// 4616).
func (s *session) authinfoSASL(ctx context.Context, req request) (response, error) {
	mechanism := strings.ToUpper(req.args[0])
	if !isMechanism(mechanism) {
		return response{}, errSyntax
	}
	if mechanism != sasl.Plain {
		return response{}, errMechanism
	}
	if err := mayLogin(s); err != nil {
		return response{}, err
	}
	s.handle = "" // another exchange ends that of AUTHINFO USER
	if len(req.args) > 1 {
		return s.saslPlain(ctx, req.args[1])
	}
	return response{
		Reply: nntp.Reply{Code: nntp.CodeContinueLogin, Text: "="}, // an empty challenge
		next:  s.continueSASL,
	}, nil
}

// isMechanism follows RFC 4422, Section 3.1; s is in capitals.
func isMechanism(s string) bool {
	return s != "" && len(s) <= 20 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}

// continueSASL reads what answers the empty challenge. A '*' is the client's
// change of mind.
func (s *session) continueSASL(ctx context.Context) (response, error) {
	s.clock.pause()
	line, err := s.r.ReadLongLine(maxSASLLine)
	s.clock.resume()
	switch {
	case errors.Is(err, nntp.ErrLineTooLong), errors.Is(err, nntp.ErrLineMalformed):
		return response{}, err
	case err != nil:
		return response{}, connectionError{err}
	case string(line) == "*":
		return response{}, errGivenUp
	}
	return s.saslPlain(ctx, string(line))
}

// saslPlain takes the one message of the mechanism.
func (s *session) saslPlain(ctx context.Context, encoded string) (response, error) {
	message := []byte{}
	if encoded != "=" { // which is the empty message
		var err error
		if message, err = base64.StdEncoding.Strict().DecodeString(encoded); err != nil || encoded == "" {
			return response{}, errEncoding
		}
	}
	var answer response
	var refusal error
	server := sasl.NewPlainServer(func(identity, handle, passphrase string) error {
		answer, refusal = s.loginAs(ctx, identity, handle, passphrase)
		return refusal
	})
	_, _, err := server.Next(message)
	switch {
	case refusal != nil:
		return response{}, refusal
	case err != nil:
		return response{}, errSASL
	}
	return answer, nil
}

// loginAs logs in. Nobody can act as somebody else: an identity to act as must
// be the handle itself.
func (s *session) loginAs(ctx context.Context, identity, handle, passphrase string) (response, error) {
	switch {
	case handle == "", passphrase == "",
		!utf8.ValidString(handle), !utf8.ValidString(passphrase),
		identity != "" && identity != handle:
		return response{}, errCredentials
	}
	return s.login(ctx, handle, passphrase)
}

// keepsMechanisms is when SASL mechanisms are listed: while there is one to be
// had, and after the login as before it, so that a client can notice a list
// that somebody changed on its way (RFC 4643, Section 2.2).
func keepsMechanisms(s *session) error {
	if err := mayLogin(s); err != nil {
		return err
	}
	if s.loggedIn() {
		return nil
	}
	return uncompressed(s)
}
