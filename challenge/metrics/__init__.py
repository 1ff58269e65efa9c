"""PSNR, SSIM and LPIPS as pure functions, and the profiles that name sets of them."""
