// What is drawn on the canvas: strokes, guides, and the keyboard's pen.

export const PAPER = "#0b0d10";

// `strokes`: { width, points: [[x, y], …] } in 0 … 1 of `size` pixels, white with round ends.
export function drawStrokes(paper, strokes, size) {
  paper.strokeStyle = paper.fillStyle = "#fff";
  paper.lineCap = paper.lineJoin = "round";
  for (const { width, points } of strokes) {
    paper.lineWidth = width * size;
    paper.beginPath();
    paper.moveTo(points[0][0] * size, points[0][1] * size);
    if (points.length === 1) paper.lineTo(points[0][0] * size, points[0][1] * size);
    for (let at = 1; at < points.length; at++) {
      // through the middles of the pieces, bent by their ends: no corners where a hand made none
      const [x, y] = points[at - 1];
      const [toX, toY] = points[at];
      paper.quadraticCurveTo(x * size, y * size, ((x + toX) / 2) * size, ((y + toY) / 2) * size);
    }
    const [lastX, lastY] = points.at(-1);
    paper.lineTo(lastX * size, lastY * size);
    paper.stroke();
  }
}

export function guides(paper, size) {
  paper.strokeStyle = "#ffffff14";
  paper.lineWidth = 1;
  paper.setLineDash([4, 8]);
  paper.beginPath();
  for (const [from, to] of [[[0.5, 0.06], [0.5, 0.94]], [[0.06, 0.5], [0.94, 0.5]]]) {
    paper.moveTo(from[0] * size, from[1] * size);
    paper.lineTo(to[0] * size, to[1] * size);
  }
  paper.stroke();
  paper.setLineDash([]);
}

export function cross(paper, { x, y, drawing }, size) {
  const reach = size * 0.03;
  paper.strokeStyle = drawing ? "#ff9ac1" : "#7cbcff";
  paper.lineWidth = Math.max(2, size / 200);
  paper.beginPath();
  paper.arc(x * size, y * size, reach * 0.6, 0, 2 * Math.PI);
  for (const [across, down] of [[1, 0], [0, 1]]) {
    paper.moveTo(x * size - across * reach, y * size - down * reach);
    paper.lineTo(x * size + across * reach, y * size + down * reach);
  }
  paper.stroke();
}
