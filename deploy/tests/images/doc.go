// Package images proves what can be proved of the images without a container engine: the rules that their Dockerfiles keep,
// and that the build steps give the same bytes twice. Nothing here pulls, builds or runs an image.
package images
