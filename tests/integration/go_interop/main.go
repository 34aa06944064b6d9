// Checks a log made elsewhere with golang.org/x/mod/sumdb: notes, proofs, tiles.
//
// The argument is a folder with log.json (see the struct) and the tiles under it. Every check prints one line, "ok"
// or "refused", with its name; the caller knows which of them must be refused. The exit status only says that the
// folder could be read.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type inclusion struct {
	Index int64
	Leaf  tlog.Hash
	Proof []tlog.Hash
}

type folder struct {
	Vkey         string
	Size         int64
	Root         tlog.Hash
	Notes        map[string]string
	OldSize      int64
	OldRoot      tlog.Hash
	Consistency  map[string][]tlog.Hash
	Inclusion    map[string]inclusion
	TileSets     map[string]string
	TilesInclude []int64
}

func say(name string, err error) {
	if err != nil {
		fmt.Printf("refused %s\n", name)
	} else {
		fmt.Printf("ok %s\n", name)
	}
}

// tileReader reads C2SP tiles: x/mod puts the tile height into the path, C2SP does not.
type tileReader struct{ root string }

func (r tileReader) Height() int                     { return 8 }
func (r tileReader) SaveTiles([]tlog.Tile, [][]byte) {}
func (r tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := os.ReadFile(filepath.Join(r.root, path))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func main() {
	root := os.Args[1]
	data, err := os.ReadFile(filepath.Join(root, "log.json"))
	if err != nil {
		panic(err)
	}
	var log folder
	if err := json.Unmarshal(data, &log); err != nil {
		panic(err)
	}
	verifier, err := note.NewVerifier(log.Vkey)
	if err != nil {
		panic(err)
	}
	for name, text := range log.Notes {
		_, err := note.Open([]byte(text), note.VerifierList(verifier))
		say("note "+name, err)
	}
	for name, proof := range log.Consistency {
		say("consistency "+name, tlog.CheckTree(proof, log.Size, log.Root, log.OldSize, log.OldRoot))
	}
	for name, one := range log.Inclusion {
		say("inclusion "+name, tlog.CheckRecord(one.Proof, log.Size, log.Root, one.Index, one.Leaf))
	}
	for name, path := range log.TileSets {
		reader := tlog.TileHashReader(tlog.Tree{N: log.Size, Hash: log.Root}, tileReader{filepath.Join(root, path)})
		var failed error
		for _, index := range log.TilesInclude {
			proof, err := tlog.ProveRecord(log.Size, index, reader)
			if err == nil {
				// The reader of x/mod 0.7 leaves some tiles unchecked where several parts of the root lie in one tile,
				// so a proof made from tiles is checked like any other.
				leaf := log.Inclusion[fmt.Sprintf("good %d", index)].Leaf
				err = tlog.CheckRecord(proof, log.Size, log.Root, index, leaf)
			}
			if err != nil {
				failed = err
				break
			}
			encoded, err := json.Marshal(proof)
			if err != nil {
				panic(err)
			}
			fmt.Printf("proof %s %d %s\n", name, index, encoded)
		}
		say("tiles "+name, failed)
	}
}
