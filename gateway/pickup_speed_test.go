package gateway

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/oprf"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/gateway/pickup"
)

// BenchmarkXBLIND is nine elements, evaluated and proven: by the library alone,
// and by XBLIND over a loopback connection, eight commands ahead.
func BenchmarkXBLIND(b *testing.B) {
	report := func(b *testing.B) {
		b.ReportMetric(float64(b.N)*pickup.Elements/b.Elapsed().Seconds(), "elements/s")
	}
	b.Run("circl", func(b *testing.B) {
		secret, err := oprf.DeriveKey(oprf.SuiteRistretto255, oprf.VerifiableMode, make([]byte, 32), []byte("speed"))
		if err != nil {
			b.Fatal(err)
		}
		server := oprf.NewVerifiableServer(oprf.SuiteRistretto255, secret)
		request := new(oprf.EvaluationRequest)
		for i := range pickup.Elements {
			request.Elements = append(request.Elements, group.Ristretto255.HashToElement([]byte{byte(i)}, nil))
		}
		for b.Loop() {
			if _, err := server.Evaluate(request); err != nil {
				b.Fatal(err)
			}
		}
		report(b)
	})
	b.Run("wire", func(b *testing.B) {
		benchmarkWire(b)
		report(b)
	})
}

func benchmarkWire(b *testing.B) {
	s := newSettings(b)
	s.Admission.Connections = 100
	g, address := running(b, s)
	o := &owner{b, address, identity.NewSeed().Mailbox(0)}
	d := o.directory(g, o.client())
	client, err := blind.NewClient(d.Blind[0].Key[:])
	if err != nil {
		b.Fatal(err)
	}
	var ids []identity.ID
	for i := range uint32(pickup.Elements) {
		ids = append(ids, identity.NewSeed().Mailbox(i).ID())
	}
	request, err := client.Blind(ids)
	if err != nil {
		b.Fatal(err)
	}
	var encoded []string
	for _, e := range request.Elements() {
		encoded = append(encoded, base64.RawURLEncoding.EncodeToString(e))
	}
	line := fmt.Sprintf("XBLIND %d %s\r\n", d.Blind[0].Epoch, strings.Join(encoded, ","))
	conn := o.dial()
	r := bufio.NewReader(conn)
	if _, err := r.ReadString('\n'); err != nil {
		b.Fatal(err)
	}
	const ahead = 8
	if _, err := io.WriteString(conn, strings.Repeat(line, ahead)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := io.WriteString(conn, line); err != nil {
			b.Fatal(err)
		}
		for got := ""; got != ".\r\n"; {
			if got, err = r.ReadString('\n'); err != nil || strings.HasPrefix(got, "403 ") {
				b.Fatal(got, err)
			}
		}
	}
}
