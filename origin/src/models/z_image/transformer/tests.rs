//! The transformer's parts, each by itself; whole ones are compared with the oracle in
//! `origin/tests/api/models/images/`.

use super::patches::Grid;
use super::positions::Positions;
use super::*;

fn shape() -> TransformerShape {
    TransformerShape {
        patch: 2,
        channels: 3,
        dim: 12,
        layers: 1,
        refiners: 1,
        heads: 1,
        norm_eps: 1e-5,
        caption: 8,
        rope_theta: 256.0,
        time_scale: 1_000.0,
        axes: [4, 4, 4],
        lengths: [64, 8, 6],
    }
}

#[test]
fn patches_are_pixels_with_all_their_channels_and_come_back() {
    let grid = Grid::new(&shape(), 4, 6).unwrap();
    assert_eq!((grid.rows(), grid.numbers()), (6, 72));
    let latents: Vec<f32> = (0..72u8).map(f32::from).collect();
    let patches = grid.patches(&latents).unwrap();
    // The second patch of the second row: pixels (2, 2), (2, 3), (3, 2), (3, 3), each of the channels 0, 24, 48 on.
    assert_eq!(patches[4 * 12..5 * 12], [14., 38., 62., 15., 39., 63., 20., 44., 68., 21., 45., 69.]);
    assert_eq!(grid.latents(&patches).unwrap(), latents);
    assert!(grid.patches(&latents[1..]).is_err());
}

#[test]
fn grids_beyond_the_network_are_refused() {
    for (height, width, is_good) in [(16, 12, true), (18, 12, false), (16, 14, false), (15, 12, false), (0, 12, false)]
    {
        assert_eq!(Grid::new(&shape(), height, width).is_ok(), is_good, "{height} x {width}");
    }
}

#[test]
fn every_row_stands_where_the_reference_puts_it() {
    let kernels = Kernels::new(&Device::Cpu, DType::F32);
    let grid = Grid::new(&shape(), 4, 6).unwrap();
    let angles = Positions::new(&shape()).of_both(&grid, 32, 32, &kernels).unwrap();
    let cosines = angles.cosines.to_vec2::<f32>().unwrap();
    assert_eq!((cosines.len(), cosines[0].len()), (64, 6));
    // Pairs turn by 1 and by 256^(-1/2) a position, of the frame, the row and the column.
    let expected =
        |[frame, row, column]: [f32; 3]| [frame, frame / 16.0, row, row / 16.0, column, column / 16.0].map(f32::cos);
    for (row, position) in
        [(0, [33., 0., 0.]), (4, [33., 1., 1.]), (6, [0.; 3]), (31, [0.; 3]), (32, [1., 0., 0.]), (63, [32., 0., 0.])]
    {
        for (found, expected) in cosines[row].iter().zip(expected(position)) {
            assert!((found - expected).abs() < 1e-5, "row {row}: {found} and not {expected}");
        }
    }
    let caption = angles.some(32, 32).unwrap().cosines.to_vec2::<f32>().unwrap();
    assert_eq!(caption, cosines[32..]);
}

#[test]
fn rows_are_filled_up_with_the_token() {
    let row = Tensor::new(&[[7f32, 8.0]], &Device::Cpu).unwrap();
    for (count, expected) in [(1, 32), (31, 32), (32, 32), (33, 64)] {
        let rows = Tensor::zeros((count, 2), DType::F32, &Device::Cpu).unwrap();
        let rows = padded(&rows, &row).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(rows.len(), expected);
        assert!(rows[..count].iter().all(|row| *row == [0.0, 0.0]));
        assert!(rows[count..].iter().all(|row| *row == [7.0, 8.0]));
    }
}
