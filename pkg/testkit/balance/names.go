package balance

import (
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
)

// Names is a name server that knows one name, whatever it is asked for: that of a headless service, behind which are the addresses of
// its replicas.
type Names struct {
	conn    net.PacketConn
	known   func() []netip.Addr
	serving sync.WaitGroup
}

// ListenNames returns a name server on a free port of the loopback interface. known returns the addresses behind the name, as they are at
// that moment; only those of IPv4 are said.
func ListenNames(known func() []netip.Addr) (*Names, error) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	n := &Names{conn: conn, known: known}
	n.serving.Go(n.serve)
	return n, nil
}

// Target is what a gRPC client is told to find the replicas at a port.
func (n *Names) Target(port string) string {
	return "dns://" + n.conn.LocalAddr().String() + "/" + net.JoinHostPort("replicas.test", port)
}

// Close ends the server.
func (n *Names) Close() {
	_ = n.conn.Close()
	n.serving.Wait()
}

func (n *Names) serve() {
	question := make([]byte, 512)
	for {
		size, from, err := n.conn.ReadFrom(question)
		if err != nil {
			return
		}
		if answer := n.answer(question[:size]); answer != nil {
			_, _ = n.conn.WriteTo(answer, from)
		}
	}
}

// answer answers a message with one question (RFC 1035 §4): every address for type A, nothing for others.
func (n *Names) answer(message []byte) []byte {
	const header, typeA = 12, 1
	end := header
	for end < len(message) && message[end] != 0 {
		end += 1 + int(message[end])
	}
	end += 5 // the root, type and class
	if end > len(message) {
		return nil
	}
	answer := append([]byte(nil), message[:end]...)
	binary.BigEndian.PutUint16(answer[2:], 0x8180) // an answer, with recursion, without error
	clear(answer[6:header])
	if binary.BigEndian.Uint16(message[end-4:]) != typeA {
		return answer
	}
	count := uint16(0)
	for _, a := range n.known() {
		if a.Is4() {
			answer = append(answer, 0xc0, header, 0, typeA, 0, 1, 0, 0, 0, 0, 0, 4) // the name of the question, class IN, no time to live
			answer = append(answer, a.AsSlice()...)
			count++
		}
	}
	binary.BigEndian.PutUint16(answer[6:], count)
	return answer
}
