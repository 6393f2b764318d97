// Pictures in RGB levels, as `gdp apply` brings them to a student and back: the same sizes, filters and roundings.
// A picture is { width, height, levels }: levels is a Uint8Array of height x width x 3.

const PRECISION = 22; // bits of Pillow's weights behind the point
const [TILE, OVERLAP] = [1024, 64]; // the defaults of gdp apply
const ROWS = 512; // gdp.tools.deploy.resizing
const REDUCING_GAP = 2; // gdp.support.picture_statistics

export function fromPixels(pixels) {
  const { width, height, data } = pixels; // ImageData, without alpha
  const levels = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < levels.length; from += 4) {
    levels[to++] = data[from];
    levels[to++] = data[from + 1];
    levels[to++] = data[from + 2];
  }
  return { width, height, levels };
}

export function toPixels({ width, height, levels }) {
  const data = new Uint8ClampedArray(width * height * 4);
  for (let from = 0, to = 0; from < levels.length; to += 4) {
    data[to] = levels[from++];
    data[to + 1] = levels[from++];
    data[to + 2] = levels[from++];
    data[to + 3] = 255;
  }
  return new ImageData(data, width, height);
}

// Keys' cubic with a = -0.5, as Pillow has it.
function bicubic(x) {
  x = Math.abs(x);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

// Which pixels between `start` and `end` of one side make each pixel of the new one, and with what weights.
function weightsOf(size, start, end, wanted) {
  [start, end] = [Math.fround(start), Math.fround(end)]; // as Pillow holds them
  const scale = Math.fround(end - start) / wanted;
  const stretch = Math.max(1, scale);
  const support = 2 * stretch;
  return Array.from({ length: wanted }, (_, place) => {
    const middle = start + (place + 0.5) * scale;
    const first = Math.max(0, Math.trunc(middle - support + 0.5));
    const last = Math.min(size, Math.trunc(middle + support + 0.5));
    const weights = Array.from({ length: last - first }, (_, n) => bicubic((n + first - middle + 0.5) / stretch));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    const whole = weights.map((weight) => {
      const share = sum ? weight / sum : weight;
      return Math.trunc((share < 0 ? -0.5 : 0.5) + share * 2 ** PRECISION);
    });
    return { first, weights: Int32Array.from(whole) };
  });
}

function clipped(sum) {
  const level = sum >> PRECISION;
  return level < 0 ? 0 : level > 255 ? 255 : level;
}

// Columns up to `end`, which need be no whole number, as `wanted` columns.
function widened({ width, height, levels }, wanted, end = width) {
  const made = new Uint8Array(wanted * height * 3);
  const columns = weightsOf(width, 0, end, wanted);
  for (let y = 0, to = 0; y < height; y++) {
    for (const { first, weights } of columns) {
      let [red, green, blue] = [1 << (PRECISION - 1), 1 << (PRECISION - 1), 1 << (PRECISION - 1)];
      for (let n = 0, from = (y * width + first) * 3; n < weights.length; n++) {
        red += levels[from++] * weights[n];
        green += levels[from++] * weights[n];
        blue += levels[from++] * weights[n];
      }
      made[to++] = clipped(red);
      made[to++] = clipped(green);
      made[to++] = clipped(blue);
    }
  }
  return { width: wanted, height, levels: made };
}

// Rows `start` to `end`, which need be no whole numbers, as `wanted` rows; what lies beside them counts at the edges.
function heightened({ width, height, levels }, wanted, start = 0, end = height) {
  const length = width * 3;
  const made = new Uint8Array(wanted * length);
  weightsOf(height, start, end, wanted).forEach(({ first, weights }, row) => {
    for (let x = 0; x < length; x++) {
      let sum = 1 << (PRECISION - 1);
      for (let n = 0, from = first * length + x; n < weights.length; n++, from += length) sum += levels[from] * weights[n];
      made[row * length + x] = clipped(sum);
    }
  });
  return { width, height: wanted, levels: made };
}

// Means of `times` x `times` pixels; fewer at the right and at the bottom (Pillow's reduce).
function reduced({ width, height, levels }, times) {
  const [columns, rows] = [Math.ceil(width / times), Math.ceil(height / times)];
  const made = new Uint8Array(columns * rows * 3);
  for (let row = 0, to = 0; row < rows; row++) {
    const bottom = Math.min(height, (row + 1) * times);
    for (let column = 0; column < columns; column++) {
      const right = Math.min(width, (column + 1) * times);
      const count = (bottom - row * times) * (right - column * times);
      const factor = Math.floor(2 ** 24 / count);
      for (let colour = 0; colour < 3; colour++) {
        let sum = count >> 1;
        for (let y = row * times; y < bottom; y++) {
          for (let x = column * times; x < right; x++) sum += levels[(y * width + x) * 3 + colour];
        }
        made[to++] = Math.floor((sum * factor) / 2 ** 24);
      }
    }
  }
  return { width: columns, height: rows, levels: made };
}

// The picture at about size x size pixels, its proportions kept (gdp.support.picture_statistics.fitted).
export function fitted(picture, size) {
  const scale = size / Math.sqrt(picture.height * picture.width);
  const [width, height] = [picture.width, picture.height].map((side) =>
    Math.min(4 * size, Math.max(Math.floor(size / 4), Math.round(side * scale))),
  );
  if (width === picture.width && height === picture.height) return picture;
  const fewer = Math.trunc(1 / scale / REDUCING_GAP);
  const small = fewer > 1 ? reduced(picture, fewer) : picture;
  const [right, bottom] = fewer > 1 ? [picture.width / fewer, picture.height / fewer] : [small.width, small.height];
  if (small.height > 2 * small.width && height < small.height) { // Pillow begins with what shrinks it most
    return widened(heightened(small, height, 0, bottom), width, right);
  }
  return heightened(widened(small, width, right), height, 0, bottom);
}

// A picture with what became of it when it was small: the change alone, so that what is finer stays.
export function enlarged(picture, made, before) {
  const { width, height } = picture;
  const levels = new Uint8Array(picture.levels.length);
  const [wide, wideBefore] = [widened(made, width), widened(before, width)];
  for (let top = 0; top < height; top += ROWS) {
    const bottom = Math.min(top + ROWS, height);
    const part = [(top * made.height) / height, (bottom * made.height) / height];
    const shown = heightened(wide, bottom - top, ...part).levels;
    const was = heightened(wideBefore, bottom - top, ...part).levels;
    const start = top * width * 3;
    for (let n = 0; n < shown.length; n++) {
      levels[start + n] = Math.min(255, Math.max(0, picture.levels[start + n] + shown[n] - was[n]));
    }
  }
  return { width, height, levels };
}

function reflected(size, wanted) {
  const period = Math.max(1, 2 * (size - 1));
  return Array.from({ length: wanted }, (_, n) => (size > 1 ? Math.min(n % period, period - (n % period)) : 0));
}

function cut({ width, levels }, rows, columns) {
  const made = new Uint8Array(rows.length * columns.length * 3);
  let to = 0;
  for (const y of rows) {
    for (const x of columns) {
      const from = (y * width + x) * 3;
      made[to++] = levels[from];
      made[to++] = levels[from + 1];
      made[to++] = levels[from + 2];
    }
  }
  return { width: columns.length, height: rows.length, levels: made };
}

function places(start, end) {
  return Array.from({ length: end - start }, (_, n) => start + n);
}

// Continued by reflection to a size that the student takes, translated, and cut back.
async function padded(translate, picture, { multiple, smallest }) {
  const next = (size) => Math.ceil(Math.max(size, smallest) / multiple) * multiple;
  const [width, height] = [next(picture.width), next(picture.height)];
  if (width === picture.width && height === picture.height) return translate(picture);
  const made = await translate(cut(picture, reflected(picture.height, height), reflected(picture.width, width)));
  return cut(made, places(0, picture.height), places(0, picture.width));
}

function startsOf(size, step) {
  if (size <= step) return [0];
  const count = Math.ceil((size - OVERLAP) / (step - OVERLAP));
  return Array.from({ length: count }, (_, n) => Math.round((n * (size - step)) / (count - 1)));
}

// Weights along a tile's side: 1 inside, falling over the overlap towards other tiles.
function ramp(size, before, after) {
  const weights = new Float32Array(size).fill(1);
  for (let n = 0; n < OVERLAP; n++) {
    if (before) weights[n] = (n + 1) / (OVERLAP + 1);
    if (after) weights[size - 1 - n] = (n + 1) / (OVERLAP + 1);
  }
  return weights;
}

// A picture of any size through `translate`, which takes the student's sizes: in tiles where it is large.
export async function anySize(translate, picture, sizes, tell = () => {}) {
  const { width, height } = picture;
  const step = Math.max(sizes.multiple, Math.floor(TILE / sizes.multiple) * sizes.multiple);
  if (width <= step && height <= step) return padded(translate, picture, sizes);
  const [sums, weights] = [new Float32Array(width * height * 3), new Float32Array(width * height)];
  const [tops, lefts] = [startsOf(height, step), startsOf(width, step)];
  let done = 0;
  for (const top of tops) {
    for (const left of lefts) {
      const [bottom, right] = [Math.min(top + step, height), Math.min(left + step, width)];
      const tile = await padded(translate, cut(picture, places(top, bottom), places(left, right)), sizes);
      const down = ramp(tile.height, top > 0, bottom < height);
      const across = ramp(tile.width, left > 0, right < width);
      for (let y = 0, from = 0; y < tile.height; y++) {
        for (let x = 0; x < tile.width; x++) {
          const to = (top + y) * width + left + x;
          const weight = down[y] * across[x];
          weights[to] += weight;
          for (let colour = 0; colour < 3; colour++) sums[to * 3 + colour] += tile.levels[from++] * weight;
        }
      }
      tell(++done / (tops.length * lefts.length));
    }
  }
  const levels = new Uint8Array(sums.length);
  for (let n = 0, at = 0; n < weights.length; n++) {
    for (let colour = 0; colour < 3; colour++, at++) levels[at] = Math.round(sums[at] / weights[n]);
  }
  return { width, height, levels };
}
